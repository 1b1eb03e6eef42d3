// Cutting JSON text into its parts without changing them, so that a number is shown exactly as it was sent.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace millrace::app {

/// The elements of an array, views into `array`. Fails when it is no array or its brackets do not match. The elements
/// themselves are not checked any further.
Result<std::vector<std::string_view>> json_elements(std::string_view array);
/// The members of an object in order: key (unescaped) and value.
Result<std::vector<std::pair<std::string, std::string_view>>> json_members(std::string_view object);
/// The value of one member; nothing when the object does not have it or is none.
std::optional<std::string_view> json_member(std::string_view object, std::string_view key);
/// What a JSON string stands for; the text itself when it is no JSON string.
std::string json_unquoted(std::string_view value);

}  // namespace millrace::app
