// Rows: every title that is played (listed, decoy or unknown), how long, and in which sessions. A row's sessions follow
// from (seed, row) alone, so any part of the run can be planned again instead of being kept.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "connectors/playback/generator.h"
#include "connectors/playback/session.h"
#include "connectors/playback/titles.h"

namespace millrace::connectors::playback {

enum class Role : uint8_t { kListed, kDecoy, kUnknown };

struct Row {
  Role role = Role::kListed;
  bool show = false;  ///< plays have episodes
  std::string title_id;
  int64_t play_ms = 0;  ///< credited in the window, exactly; for an unknown row, per session
  int64_t cap_ms = 0;   ///< longest session, less 5 s
  int64_t earliest_ms = 0;
  uint32_t sessions = 0;       ///< of an unknown row; the others have as many as play_ms takes
  uint64_t session_first = 0;  ///< number of its first session
};

/// A session that a row has, before its own draws.
struct RowSession {
  SessionRequest request;
  uint64_t number = 0;  ///< from 1 over all rows, in order
};

/// Walks over the sessions of one row. Main plays and, after some of them, a preview of the same title.
class RowSessions {
 public:
  RowSessions(const Row& row, uint64_t seed, size_t row_index);
  bool next(RowSession& out);

 private:
  const Row& row_;
  SplitMix64 random_;
  int64_t rest_ms_;
  uint32_t sessions_left_;
  uint64_t number_;
  bool preview_due_ = false;
};

/// Listed titles, then decoys, then unknown ones, with their times drawn and their sessions numbered.
std::vector<Row> make_rows(const std::vector<Title>& titles, const Options& options);

/// One line of the catalogue, and of the decoys' share in it.
std::string catalogue_ndjson(const std::vector<Title>& titles, const std::vector<Row>& rows);

}  // namespace millrace::connectors::playback
