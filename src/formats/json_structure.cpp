#include "formats/json_structure.h"

#include <simdjson.h>

#include <algorithm>

#include "base/result.h"

namespace millrace::formats {
namespace {

constexpr size_t kCapacityMin = 64 * 1024;
constexpr size_t kDepth = 1;  // of the second stage, which is not run

std::string_view text_of(simdjson::error_code code) {
  switch (code) {
    case simdjson::UNCLOSED_STRING: return "a string is not closed";
    case simdjson::UNESCAPED_CHARS: return "a control character or a line end in a string";
    case simdjson::UTF8_ERROR: return "the text is not UTF-8";
    case simdjson::CAPACITY: return "the record is too large";
    default: return "the text cannot be split into tokens";
  }
}

}  // namespace

struct JsonStructure::Parser {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> stages;
};

JsonStructure::JsonStructure() : parser_(std::make_unique<Parser>()) {}
JsonStructure::~JsonStructure() = default;

bool JsonStructure::find(std::string_view text) {
  size_ = 0;
  if (text.size() >= simdjson::SIMDJSON_MAXSIZE_BYTES) {
    error_ = text_of(simdjson::CAPACITY);
    return false;
  }
  if (!parser_->stages || text.size() > capacity_) {
    capacity_ = std::max(text.size() + text.size() / 4, kCapacityMin);
    auto code =
        simdjson::get_active_implementation()->create_dom_parser_implementation(capacity_, kDepth, parser_->stages);
    MR_CHECK(code == simdjson::SUCCESS, "simdjson has no memory");
  }
  auto& stages = *parser_->stages;
  if (!text.empty()) {
    auto code =
        stages.stage1(reinterpret_cast<const uint8_t*>(text.data()), text.size(), simdjson::stage1_mode::regular);
    if (code != simdjson::SUCCESS && code != simdjson::EMPTY) {
      error_ = text_of(code);
      return false;
    }
    if (code == simdjson::SUCCESS) size_ = stages.n_structural_indexes;
  }
  stages.structural_indexes[size_] = static_cast<uint32_t>(text.size());
  tokens_ = stages.structural_indexes.get();
  return true;
}

}  // namespace millrace::formats
