#!/bin/sh
# Installs what is missing of the packages named in the given lists. Sourced by tests/all.sh and
# gateway/try.sh; does nothing, and asks no server, when all is there.

# missing LIST...: the packages of these lists that are not installed
missing() {
    for package in $(cat "$@" | sed 's/#.*//'); do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            echo "$package"
    done
}

# install_missing LIST...: fails with the command to run when that needs another user
install_missing() {
    wanted=$(missing "$@" | tr '\n' ' ')
    [ -n "$wanted" ] || return 0
    echo "installing: $wanted"
    if [ "$(id -u)" != 0 ]; then
        echo "please run as root: apt-get install --no-install-recommends $wanted" >&2
        return 1
    fi
    # Servers that come with a package must not start by themselves, now or at the next boot: ours
    # run on loopback only.
    policy=/usr/sbin/policy-rc.d
    ours=
    [ -e $policy ] || { ours=1; printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy; }
    mkdir -p build
    # shellcheck disable=SC2086
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
        --no-install-recommends -o Dpkg::Use-Pty=0 $wanted; } >build/install.log 2>&1
    status=$?
    [ -z "$ours" ] || rm -f $policy
    for server in postfix knot unbound rbldnsd haproxy; do
        case " $wanted" in *" $server "*) systemctl -q disable $server 2>/dev/null ;; esac
    done
    [ $status = 0 ] || { echo "apt-get failed; the end of build/install.log:" >&2
        tail -n 20 build/install.log >&2; }
    return $status
}
