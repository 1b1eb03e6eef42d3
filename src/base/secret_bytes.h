// Bytes that nobody can foretell: salts, nonces, keys of a process. The Env's randomness is no secret, and can be played
// again; so nothing that ends in a file of a node or in an answer about data may hang on these.
#pragma once

#include <cstddef>
#include <string>

namespace millrace {

std::string secret_bytes(size_t count);

}  // namespace millrace
