// The key of a record without the rest of it: the walk ends at the last field that is asked for.
#include "base/text.h"
#include "formats/json_decoder.h"
#include "formats/json_keys.h"
#include "formats/json_structure.h"
#include "formats/json_walk.h"

namespace millrace::formats {

struct JsonFieldReader::State {
  JsonStructure structure;
  JsonWalk walk;
  JsonKeys keys{{}};
  std::vector<std::string> texts;  // by name
  std::vector<bool> seen;
  std::string scratch;

  bool read_value(std::string& text);
  bool read_fields();
};

/// Appends what the walk stands at; false when it is not valid.
bool JsonFieldReader::State::read_value(std::string& text) {
  if (walk.peek() == '"') {
    std::string_view string;
    bool escaped = false;
    if (!walk.take_string(string, scratch, escaped)) return false;
    text.append(string);
    return true;
  }
  const uint32_t* first = walk.token();
  if (!walk.skip()) return false;
  const uint32_t* behind = walk.token();
  for (const uint32_t* token = first; token != behind; ++token) text.append(walk.text_between(token, token + 1));
  if (text == "null") text.clear();
  return true;
}

bool JsonFieldReader::State::read_fields() {
  if (!walk.take('{')) return false;
  size_t missing = seen.size();
  keys.start();
  for (bool more = walk.peek() != '}'; more; more = walk.take(',')) {
    uint32_t field = 0;
    if (walk.peek() != '"' || !keys.find(walk.take(), field) || !walk.take(':')) return false;
    if (field == JsonKeys::kUnknown || seen[field]) {
      if (!walk.skip()) return false;
      continue;
    }
    if (!read_value(texts[field])) return false;
    seen[field] = true;
    if (--missing == 0) return true;
  }
  return walk.take('}') && walk.at_end();
}

JsonFieldReader::JsonFieldReader() : state_(std::make_unique<State>()) {}
JsonFieldReader::~JsonFieldReader() = default;

bool JsonFieldReader::read(std::string_view record, const std::vector<std::string>& names, std::string& text) {
  State& state = *state_;
  text.clear();
  if (!state.structure.find(record)) return false;
  if (state.keys.names() != names) state.keys = JsonKeys(names);
  state.texts.resize(names.size());
  for (std::string& value : state.texts) value.clear();
  state.seen.assign(names.size(), false);
  state.walk.forget_escapes(record);
  state.walk.start(record.data(), 0, record.size(), state.structure.tokens());
  if (!state.read_fields()) return false;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text.push_back('\x1f');
    text.append(state.texts[i]);
  }
  return true;
}

}  // namespace millrace::formats
