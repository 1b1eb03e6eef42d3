// Any bytes as a catalog: with their own header, and as the payload behind one that fits.
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/hash.h"
#include "sql/catalog.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)millrace::sql::Catalog::decode(bytes);
  std::string file = "MRCT";
  millrace::append_little<uint32_t>(file, 1);
  millrace::append_little<uint32_t>(file, static_cast<uint32_t>(size));
  millrace::append_little<uint32_t>(file, millrace::crc32c(bytes));
  file += bytes;
  auto catalog = millrace::sql::Catalog::decode(file);
  if (catalog.ok())
    MR_CHECK(millrace::sql::Catalog::decode(catalog->encode()).ok(), "a catalog that was read cannot be read again");
  return 0;
}
