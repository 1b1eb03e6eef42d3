// SHA-256 of a stream of bytes.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace millrace::connectors::playback {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(std::string_view bytes);
  /// The digest as 64 hex digits; the object is done with then.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace::connectors::playback
