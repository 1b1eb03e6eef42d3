// Which partition a key goes to: what Kafka's Java client does by default, so that both agree.
#pragma once

#include <string_view>

#include "base/hash.h"
#include "base/ids.h"

namespace millrace::log {

/// Partition of a key, given the bytes of its text: murmur2 without its sign, modulo the number of partitions.
inline PartitionId partition_for_key(std::string_view key_text, int32_t partitions) {
  return PartitionId{static_cast<int32_t>((kafka_murmur2(key_text) & 0x7fffffffU) % static_cast<uint32_t>(partitions))};
}

}  // namespace millrace::log
