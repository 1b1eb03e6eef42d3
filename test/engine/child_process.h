// Runs a function in a child of its own, so that a crash or an endless loop in it is seen and harms nobody.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace millrace::engine {

/// What the function returned; nothing when the child died or did not end within two minutes.
std::optional<std::string> in_child(const std::function<std::string()>& function);

}  // namespace millrace::engine
