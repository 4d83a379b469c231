#include "base/worker.hpp"

namespace evercert {

asio::any_io_executor worker::executor() {
    const std::lock_guard lock{mutex_};
    if (!executor_ && !closed_) {
        own_ = std::make_unique<asio::thread_pool>(1);
        executor_ = own_->get_executor();
    }
    return executor_;
}

void worker::close() {
    {
        const std::lock_guard lock{mutex_};
        closed_ = true;
    }
    drain();
}

void worker::drain() {
    std::unique_lock lock{mutex_};
    if (!own_)
        return;  // an executor of the application's is the application's to end
    executor_ = {};
    const auto ending = std::move(own_);
    lock.unlock();
    ending->join();
}

}  // namespace evercert
