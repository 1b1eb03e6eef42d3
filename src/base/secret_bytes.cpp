#include "base/secret_bytes.h"

#include <openssl/rand.h>

#include "base/result.h"

namespace millrace {

std::string secret_bytes(size_t count) {
  std::string out(count, '\0');
  MR_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(count)) == 1, "no randomness");
  return out;
}

}  // namespace millrace
