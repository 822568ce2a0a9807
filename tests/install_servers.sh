#!/usr/bin/env bash
# Installs what some tests need and pip cannot bring, where this machine lets us. Where it does
# not, those tests are skipped and say so; in CI they fail.
set -u

wanted=()
command -v initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null ||
    wanted+=(postgresql)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
    command -v google-chrome >/dev/null || wanted+=(chromium)

[ ${#wanted[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "not installed, for that takes root and apt-get: ${wanted[*]}"
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update
for package in "${wanted[@]}"; do
    apt-get install -y --no-install-recommends "$package"
done
exit 0
