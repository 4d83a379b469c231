#pragma once

#include <memory>

#include <asio/any_io_executor.hpp>

#include <evercert/clock.hpp>

namespace evercert::testing {

class simulated_time;

/// A thread for work that blocks, in simulated time: its executor is for `manager_options::blocking_executor` and
/// `file_store_options::blocking_executor`. Whatever is given to it takes so long, one piece after another as on a thread of
/// its own, while everything else goes on; what the piece does happens at the end of that. So a disk is slow, or hangs.
///
///     evercert::testing::simulated_worker worker{time};
///     options.blocking_executor = worker.get_executor();
///     worker.takes(std::chrono::seconds{20});
///
/// A load, a save or a key is a few pieces: the way there and back counts, too.
///
/// Thread-bound. Must not outlive the io_context of the time; may outlive the time, and then nothing given to it happens.
/// The executor may outlive it.
class simulated_worker {
public:
    explicit simulated_worker(simulated_time&);

    /// What is given to it from now on; 0, as at first = none.
    void takes(duration length);
    asio::any_io_executor get_executor() const;

private:
    class executor;
    struct queue;
    std::shared_ptr<queue> queue_;
};

}  // namespace evercert::testing
