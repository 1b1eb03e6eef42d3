// The program's version; CMakeLists.txt names the same one.
#pragma once

namespace millrace {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace millrace
