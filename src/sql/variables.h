// `${name}` and `${name:-default}` in a pipeline file.
//
// They are replaced before anything else reads the text, anywhere but in comments:
//   ${name}            the value; an error when the variable was not set
//   ${name:-default}   the value, or `default` when the variable was not set or is empty (as in the shell); the default
//                      may itself hold variables and balanced braces
//   $${                a plain `${` that is left as it is
// Inside 'a string' or "a name" the quotes of a value are doubled, so that a value cannot end the literal it stands in.
// A value is not searched for variables again.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::sql {

using Variables = std::map<std::string, std::string, std::less<>>;

/// Where the bytes of a substituted text came from. A default-made map changes nothing.
class PositionMap {
 public:
  /// The span of the original text that `span` of the new text came from. What came from a variable's value maps to the
  /// whole `${…}`.
  SourceSpan original(SourceSpan span) const;
  /// `error` with its position, if it has one, moved into the original text.
  Error original(Error error) const;

 private:
  friend class Substitution;
  struct Piece {
    uint64_t offset;           ///< where the piece starts in the new text
    uint64_t original_offset;  ///< where it starts in the original text
    uint64_t original_length;  ///< of the `${…}`; 0 for a piece that was copied byte for byte
  };
  const Piece* piece_at(uint64_t offset) const;
  std::vector<Piece> pieces_;
};

struct SubstitutedText {
  std::string text;
  PositionMap positions;
  std::vector<std::string> names;  ///< every variable that the text mentions, once, in order of appearance
};

Result<SubstitutedText> substitute_variables(std::string_view text, const Variables& variables);

}  // namespace millrace::sql
