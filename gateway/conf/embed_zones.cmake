# Writes OUT, C that defines zones_data[] (zones_data.h): cmake -DOUT=… -DFILE=… -P embed_zones.cmake
file(READ ${FILE} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "#include \"gateway/conf/zones_data.h\"\n\n"
    "const char zones_data[] = {\n${bytes}\n};\nconst size_t zones_data_size = sizeof zones_data;\n")
