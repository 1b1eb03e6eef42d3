// InitProducerId: an id for an idempotent producer. What it has sent is known by the log (log/producer_window.h).
#include "server/kafka/handlers.h"

namespace millrace::server::kafka {

void init_producer_id(Broker& broker, const std::shared_ptr<Request>& request, const Respond& respond,
                      const std::function<void()>&) {
  InitProducerIdRequest asked;
  if (!decode(*request, asked)) return respond({std::nullopt, true});
  InitProducerIdResponse answer;
  if (asked.transactional_id) {
    answer.error_code = number(Code::kTransactionalIdAuthorizationFailed);  // ends a producer's asking, as it should
    return respond({encode(*request, answer)});
  }
  // A producer that is in doubt what was stored, and names the id that it had, is as good as new with another one.
  broker.journal().take_producer_id([request, respond](const Result<int64_t>& id) {
    InitProducerIdResponse told;
    if (id.ok()) {
      told.producer_id = *id;
      told.producer_epoch = 0;
    } else {
      told.error_code = number(Code::kCoordinatorNotAvailable);
    }
    respond({encode(*request, told)});
  });
}

}  // namespace millrace::server::kafka
