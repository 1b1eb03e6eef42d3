# Precompiled headers that targets share. The one with DuckDB is large: it saves four seconds in a file that includes
# DuckDB, and costs one and a half in a file that does not. So each file gets the one that fits it.

# millrace_pch(NAME HEADER [LIBRARY...]): a precompiled header for others to reuse.
function(millrace_pch name header)
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/generated/${name}.cpp CONTENT "")
  add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/generated/${name}.cpp)
  target_link_libraries(${name} PRIVATE millrace_settings ${ARGN})
  target_precompile_headers(${name} PRIVATE ${CMAKE_SOURCE_DIR}/cmake/${header})
endfunction()

# millrace_split_sources(PLAIN WITH_DUCKDB SOURCE...): sorts sources by whether they include DuckDB themselves.
function(millrace_split_sources plain with_duckdb)
  set(plain_sources "")
  set(sources_with_duckdb "")
  foreach(source IN LISTS ARGN)
    file(STRINGS ${source} includes_duckdb REGEX "^#include [<\"]duckdb" LIMIT_COUNT 1)
    if(includes_duckdb)
      list(APPEND sources_with_duckdb ${source})
    else()
      list(APPEND plain_sources ${source})
    endif()
  endforeach()
  set(${plain} ${plain_sources} PARENT_SCOPE)
  set(${with_duckdb} ${sources_with_duckdb} PARENT_SCOPE)
endfunction()

# millrace_objects_with_duckdb(NAME SOURCES LIBRARY...): sources compiled with the DuckDB header, as an object library.
function(millrace_objects_with_duckdb name sources)
  add_library(${name} OBJECT ${${sources}})
  target_link_libraries(${name} PRIVATE millrace::duckdb ${ARGN})
  target_precompile_headers(${name} REUSE_FROM millrace_duckdb_pch)
endfunction()
