// GET /: the built-in page. One answer holds all of it: page.html with the style and the scripts put in
// (cmake/page.cmake makes strings of the files), so a browser asks for nothing else.
#include <string>
#include <string_view>

#include "server/routes.h"

namespace millrace::server {
namespace {

constexpr std::string_view kHtml =
#include "server/page.html.inc"
    ;
constexpr std::string_view kStyle =
#include "server/page.css.inc"
    ;
constexpr std::string_view kScripts[] = {
#include "server/data.js.inc"
    ,
#include "server/graph.js.inc"
    ,
#include "server/page.js.inc"
};

/// Scripts and styles of the page itself alone, and connections to this node alone.
constexpr const char* kContentSecurityPolicy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

void replace_marker(std::string& page, std::string_view marker, std::string_view text) {
  size_t at = page.find(marker);
  MR_CHECK(at != std::string::npos, "page.html has lost a marker");
  page.replace(at, marker.size(), text);
}

}  // namespace

Response show_page(Context&, Request&) {
  std::string scripts;
  for (std::string_view script : kScripts) scripts += script;
  Response response;
  response.content_type = "text/html; charset=utf-8";
  response.headers.emplace_back("Content-Security-Policy", kContentSecurityPolicy);
  response.headers.emplace_back("Cache-Control", "no-cache");
  response.body = kHtml;
  replace_marker(response.body, "/*style*/", kStyle);
  replace_marker(response.body, "/*scripts*/", scripts);
  return response;
}

}  // namespace millrace::server
