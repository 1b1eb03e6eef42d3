// Passwords in texts that are shown: SHOW CREATE, messages.
#pragma once

#include <string>
#include <string_view>

namespace millrace::sql {

/// The text with *** for the password of every URL (scheme://user:password@host) and for the value of every parameter
/// that ends in `password` (password=…, up to white space, a quote or &).
std::string mask_passwords(std::string_view text);

}  // namespace millrace::sql
