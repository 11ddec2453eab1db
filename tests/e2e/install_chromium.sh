#!/bin/sh
# Install the browser of the console's tests, and a Chinese font for its pictures, where they are missing.
set -eu
browser="${SCENETRAIL_TEST_CHROMIUM:-/usr/bin/chromium}"
[ -x "$browser" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The console's tests need Chromium at $browser: apt-get install chromium (or set SCENETRAIL_TEST_CHROMIUM)" >&2
    exit 1
fi
echo "Installing Chromium for the console's tests 正在安装浏览器（仅首次）"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null
[ -x "$browser" ] || { echo "No $browser after apt-get install chromium" >&2; exit 1; }
