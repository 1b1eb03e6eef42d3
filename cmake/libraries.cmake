# Outside libraries. Each is one target here; src/CMakeLists.txt says which folder may use which.
set(THREADS_PREFER_PTHREAD_FLAG OFF)
find_package(Threads REQUIRED)

set(MILLRACE_MISSING "")

# millrace_package(NAME TARGET...): find_package, remembered as missing instead of stopping at the first.
macro(millrace_package name)
  find_package(${name} QUIET)
  if(NOT ${name}_FOUND)
    list(APPEND MILLRACE_MISSING ${name})
  endif()
endmacro()

# millrace_plain_library(NAME HEADER LIBRARY...): a library that comes without CMake files, as millrace::NAME.
function(millrace_plain_library name header)
  find_path(MILLRACE_${name}_INCLUDE ${header})
  find_library(MILLRACE_${name}_LIBRARY NAMES ${ARGN})
  if(NOT MILLRACE_${name}_INCLUDE OR NOT MILLRACE_${name}_LIBRARY)
    set(MILLRACE_MISSING ${MILLRACE_MISSING} ${name} PARENT_SCOPE)
    return()
  endif()
  add_library(millrace::${name} UNKNOWN IMPORTED)
  set_target_properties(millrace::${name} PROPERTIES
    IMPORTED_LOCATION ${MILLRACE_${name}_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${MILLRACE_${name}_INCLUDE})
endfunction()

millrace_package(fmt)
millrace_package(spdlog)
millrace_package(CLI11)
millrace_package(simdjson)
millrace_package(OpenSSL)
millrace_package(ZLIB)
millrace_package(GTest)
millrace_package(benchmark)
millrace_package(nlohmann_json)
millrace_plain_library(rocksdb rocksdb/db.h rocksdb)
millrace_plain_library(zstd zstd.h zstd)
millrace_plain_library(lz4 lz4.h lz4)
millrace_plain_library(snappy snappy-c.h snappy)
millrace_plain_library(xxhash xxhash.h xxhash)
millrace_plain_library(libedit editline/readline.h edit)
millrace_plain_library(libpq postgresql/libpq-fe.h pq)
if(TARGET millrace::libpq)
  if(TARGET millrace::libpq)
  target_include_directories(millrace::libpq INTERFACE ${MILLRACE_libpq_INCLUDE}/postgresql)
endif()
endif()

# Boost is used through its headers (Asio, Beast).
find_path(MILLRACE_BOOST_INCLUDE boost/beast/version.hpp)
if(MILLRACE_BOOST_INCLUDE)
  add_library(millrace::boost INTERFACE IMPORTED)
  set_target_properties(millrace::boost PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${MILLRACE_BOOST_INCLUDE})
else()
  list(APPEND MILLRACE_MISSING Boost)
endif()

# DuckDB: an installed one of the right version first, else the one that `make setup` unpacked.
set(MILLRACE_DUCKDB_VERSION 1.4.4)
set(MILLRACE_DUCKDB_DIR "${CMAKE_SOURCE_DIR}/build/third_party/duckdb")
find_package(DuckDB ${MILLRACE_DUCKDB_VERSION} EXACT CONFIG QUIET)
if(DuckDB_FOUND)
  message(STATUS "DuckDB ${MILLRACE_DUCKDB_VERSION}: the installed one, ${DuckDB_DIR}")
  add_library(millrace_duckdb INTERFACE)
  target_include_directories(millrace_duckdb SYSTEM INTERFACE ${DuckDB_INCLUDE_DIRS})
  target_link_libraries(millrace_duckdb INTERFACE duckdb)
  add_library(millrace::duckdb ALIAS millrace_duckdb)
elseif(EXISTS "${MILLRACE_DUCKDB_DIR}/version")
  file(STRINGS "${MILLRACE_DUCKDB_DIR}/version" unpacked_version LIMIT_COUNT 1)
  if(NOT unpacked_version STREQUAL MILLRACE_DUCKDB_VERSION)
    list(APPEND MILLRACE_MISSING "DuckDB ${MILLRACE_DUCKDB_VERSION} (${unpacked_version} is unpacked)")
  endif()
  add_library(millrace::duckdb SHARED IMPORTED)
  set_target_properties(millrace::duckdb PROPERTIES
    IMPORTED_LOCATION "${MILLRACE_DUCKDB_DIR}/lib/libduckdb.so"
    INTERFACE_INCLUDE_DIRECTORIES "${MILLRACE_DUCKDB_DIR}/include"
    IMPORTED_NO_SONAME ON)
else()
  list(APPEND MILLRACE_MISSING "DuckDB ${MILLRACE_DUCKDB_VERSION}")
endif()

if(MILLRACE_MISSING)
  list(JOIN MILLRACE_MISSING ", " missing)
  message(FATAL_ERROR "Missing: ${missing}. Run 'make setup' to install what the build needs.")
endif()
