#include "connectors/playback/sha256.h"

#include <openssl/evp.h>

#include "base/result.h"

namespace millrace::connectors::playback {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  MR_CHECK(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1, "OpenSSL offers SHA-256");
}

Sha256::~Sha256() = default;

void Sha256::add(std::string_view bytes) {
  MR_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1,
           "a digest takes bytes until it is finished");
}

std::string Sha256::finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  MR_CHECK(EVP_DigestFinal_ex(state_->context, digest, &length) == 1, "a digest is finished once");
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < length; ++i) {
    text.push_back(kHex[digest[i] >> 4]);
    text.push_back(kHex[digest[i] & 15]);
  }
  return text;
}

}  // namespace millrace::connectors::playback
