#!/bin/sh
# Debian's packages that some tests use. Installed where that needs no password; elsewhere one line says what is missed.
set -u
need=""
found() {
    for one in "$@"; do command -v "$one" >/dev/null 2>&1 && return 0; done
    return 1
}
found "${CHROMIUM:-chromium}" chromium-browser google-chrome-stable google-chrome \
    "/Applications/Chromium.app/Contents/MacOS/Chromium" \
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" || need="chromium"
if [ "$(uname)" = Linux ]; then
    command -v tc >/dev/null 2>&1 || [ -x /usr/sbin/tc ] || [ -x /sbin/tc ] || need="$need iproute2"
    [ "$(uname -m)" != x86_64 ] || command -v mmdebstrap >/dev/null 2>&1 || need="$need mmdebstrap"
fi
[ -n "$need" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Debian's$(printf ' %s' $need) for the tests …"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $need; } >/dev/null 2>&1 && exit 0
    echo "That failed; the tests that need it will be skipped."
else
    how=""
    command -v apt-get >/dev/null 2>&1 && how="; to have them: sudo apt install$(printf ' %s' $need)"
    echo "Not here:$(printf ' %s' $need). The tests that need it will be skipped$how"
fi
exit 0
