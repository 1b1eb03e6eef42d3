// "did you mean": the known name that a mistyped one probably stands for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::sql {

/// The candidate with the fewest typing slips (insert, delete, replace, swap of neighbours; case is ignored) from
/// `name`, when those are at most a third of its letters; the first of equals.
std::optional<std::string> closest_name(std::string_view name, const std::vector<std::string>& candidates);

/// `did you mean hours?`, or empty when nothing is close.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

/// `a, b and c`; empty for none.
std::string enumerate(const std::vector<std::string>& names, std::string_view last_separator = " and ");

}  // namespace millrace::sql
