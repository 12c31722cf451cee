# Writes OUT, C that defines the texts of reply_data.h: cmake -DOUT=… -DFILES=a.rules,b.rules -P embed.cmake
string(REPLACE "," ";" files "${FILES}")
set(source "#include \"reputation/reply_data.h\"\n")
foreach(file ${files})
    get_filename_component(name ${file} NAME_WE)
    file(READ ${file} hex HEX)
    string(LENGTH "${hex}" length)
    math(EXPR size "${length} / 2")
    string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(APPEND source "\nstatic const unsigned char ${name}[] = {\n${bytes}\n};\n"
        "const struct slice reply_data_${name} = { (const char *)${name}, ${size} };\n")
endforeach()
file(WRITE ${OUT} "${source}")
