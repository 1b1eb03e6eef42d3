// A report of the ledger as people and programs read it.
#pragma once

#include <string>

#include "ledger/ledger.h"

namespace millrace::ledger {

/// "in flight", "lost", …
const char* kind_name(VerdictKind kind);
/// For a terminal: a table of hops (stream, hop, rows, fingerprint), then a line for each verdict, or "the books are
/// closed".
std::string render(const Report& report);
/// {"closed":…,"totals":[{"stream","hop","count","fingerprint"}],"open":[{"stream","from","to","minute","kind","lost",
/// "repeated","in_flight","detail"}]}; fingerprints are 16 hexadecimal digits.
std::string to_json(const Report& report);

}  // namespace millrace::ledger
