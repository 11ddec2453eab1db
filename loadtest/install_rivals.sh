#!/bin/sh
# Install what `compare` measures beside the collector, where it is missing: nginx with its echo module, InfluxDB 1.6. Without them it measures the rest.
set -eu
module=/usr/lib/nginx/modules/ngx_http_echo_module.so
command -v nginx >/dev/null && [ -e "$module" ] && command -v influxd >/dev/null && exit 0
packages="nginx-light libnginx-mod-http-echo influxdb"
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Rivals that are not installed are left out: apt-get install $packages 未安装的对比对象将被略过" >&2
    exit 0
fi
echo "Installing nginx and InfluxDB to compare with 正在安装对比对象（仅首次）"
export DEBIAN_FRONTEND=noninteractive
# `compare` starts them itself, on ports of its own: policy 101 keeps their services from starting.
policy=/usr/sbin/policy-rc.d
made=""
[ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=1; }
# shellcheck disable=SC2086
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages >/dev/null; } || echo "Could not install them; they are left out" >&2
[ -z "$made" ] || rm "$policy"
