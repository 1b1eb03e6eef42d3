# The built-in page as C++ strings, so that the binary needs no files beside it: src/server/page/NAME becomes
# generated/server/NAME.inc, a raw string literal that page.cpp includes.
file(GLOB page_files CONFIGURE_DEPENDS
  ${CMAKE_SOURCE_DIR}/src/server/page/*.html ${CMAKE_SOURCE_DIR}/src/server/page/*.css ${CMAKE_SOURCE_DIR}/src/server/page/*.js)
foreach(page_file IN LISTS page_files)
  get_filename_component(page_name ${page_file} NAME)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page_file})
  file(READ ${page_file} page_text)
  file(WRITE ${CMAKE_BINARY_DIR}/generated/server/${page_name}.new "R\"page(${page_text})page\"\n")
  configure_file(${CMAKE_BINARY_DIR}/generated/server/${page_name}.new ${CMAKE_BINARY_DIR}/generated/server/${page_name}.inc COPYONLY)
endforeach()
