#include "base/worker.hpp"

namespace evercert {

asio::any_io_executor worker::executor() {
    const std::lock_guard lock{mutex_};
    if (!executor_) {
        own_ = std::make_unique<asio::thread_pool>(1);
        executor_ = own_->get_executor();
    }
    return executor_;
}

}  // namespace evercert
