#include "engine/damage_mutation.h"

#include <algorithm>
#include <random>
#include <vector>

#include "engine/commit_record.h"
#include "log/verify.h"

namespace millrace::engine {
namespace {

constexpr size_t kPageBytes = 4096;

using Paths = std::vector<std::string>;

std::map<std::string, Paths> by_kind(const Files& files, bool of_savepoint) {
  std::map<std::string, Paths> kinds;
  for (const auto& [path, bytes] : files) {
    const std::string kind = kind_of(path, bytes);
    if (!kind.empty() && path.starts_with("/data/savepoints/") == of_savepoint) kinds[kind].push_back(path);
  }
  return kinds;
}

const std::string& pick(const Paths& paths, std::mt19937_64& random) { return paths[random() % paths.size()]; }

void flip(std::string& bytes, std::mt19937_64& random) {
  const size_t bit = random() % (bytes.size() * 8);
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
}

/// Harms the bytes of a file that is not empty; says how.
std::string harm(std::string& bytes, uint64_t how, std::mt19937_64& random) {
  switch (how) {
    case 0: flip(bytes, random); return "one bit";
    case 1:
      for (int i = 0; i < 8; ++i) flip(bytes, random);
      return "eight bits";
    case 2: {
      const size_t page = random() % bytes.size() / kPageBytes * kPageBytes;
      const size_t end = std::min(bytes.size(), page + kPageBytes);
      std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(page), bytes.begin() + static_cast<std::ptrdiff_t>(end),
                '\0');
      return "a page of zeros";
    }
    case 3: bytes.resize(random() % bytes.size()); return "cut";
    default: bytes += bytes.substr(random() % bytes.size()); return "tail twice";
  }
}

std::string first_difference(const std::string& before, const std::string& after) {
  const auto [at, other] = std::mismatch(before.begin(), before.end(), after.begin(), after.end());
  return std::to_string(at - before.begin());
}

}  // namespace

std::string kind_of(const std::string& path, const std::string& bytes) {
  const std::string root = "/data/";
  if (!path.starts_with(root)) return {};
  std::string inside = path.substr(root.size());
  std::string whose;
  if (inside.starts_with("savepoints/one/")) {
    inside = inside.substr(15);
    whose = "savepoint's ";
  }
  const std::string name = inside.substr(inside.rfind('/') + 1);
  if (inside.starts_with("log/")) {
    if (inside.starts_with("log/" + log::stream_folder(kCommitStream))) whose += "commits' ";
    if (name == "stream") return whose + "stream file";
    if (bytes.starts_with("MRLOGSG2")) return whose + "compacted segment";
    return whose + (name.ends_with(".seg") ? "segment" : name.ends_with(".idx") ? "index" : name);
  }
  if (inside.starts_with("state/")) {
    if (name.ends_with(".sst")) return whose + "state table";
    if (name.ends_with(".log")) return whose + "state log";
    return whose + "state " + name.substr(0, name.find('-'));
  }
  return whose + inside;
}

Mutation mutate(const Files& sound, uint64_t seed) {
  std::mt19937_64 random(seed);
  const std::map<std::string, Paths> kinds = by_kind(sound, random() % 5 == 0);
  Mutation mutation;
  do {
    mutation = {};
    mutation.files = sound;
    const auto& [kind, paths] = *std::next(kinds.begin(), static_cast<std::ptrdiff_t>(random() % kinds.size()));
    mutation.kind = kind;
    mutation.path = pick(paths, random);
    std::string& bytes = mutation.files[mutation.path];
    const uint64_t how = random() % 7;
    if (how == 5 || bytes.empty()) {
      mutation.files.erase(mutation.path);
      mutation.how = "removed";
    } else if (how == 6) {
      mutation.other = pick(paths, random);
      std::swap(bytes, mutation.files[mutation.other]);
      mutation.how = "swapped";
    } else {
      mutation.how = harm(bytes, how, random);
    }
  } while (mutation.files == sound);
  mutation.text = mutation.kind + ", " + mutation.how + ": " + mutation.path;
  if (!mutation.other.empty()) {
    mutation.text += " and " + mutation.other;
  } else if (mutation.how != "removed") {
    mutation.text += " from byte " + first_difference(sound.at(mutation.path), mutation.files[mutation.path]) + " of " +
                     std::to_string(sound.at(mutation.path).size());
  }
  return mutation;
}

}  // namespace millrace::engine
