#pragma once

#include <memory>
#include <utility>

#include <asio/error.hpp>

#include <evercert/network.hpp>

namespace test {

/// Counts the reads of the stream below it: each of them is a system call, if that is a socket.
class counted_stream final : public evercert::stream {
public:
    struct counts {
        int some = 0;
        int nothing = 0;
    };

    counted_stream(std::unique_ptr<evercert::stream> next, std::shared_ptr<counts> into)
        : next_{std::move(next)}, counts_{std::move(into)} {}

    evercert::io_result try_read(std::span<std::byte> into) noexcept override {
        const auto result = next_->try_read(into);
        ++(result.error == asio::error::would_block ? counts_->nothing : counts_->some);
        return result;
    }
    evercert::io_result try_write(std::span<const std::byte> data) noexcept override { return next_->try_write(data); }
    void start_wait(evercert::readiness what, evercert::wait_handler::pointer waiting) override {
        next_->start_wait(what, std::move(waiting));
    }
    void shutdown_write() noexcept override { next_->shutdown_write(); }
    void close() noexcept override { next_->close(); }
    asio::any_io_executor get_executor() const override { return next_->get_executor(); }
    evercert::endpoint local_endpoint() const override { return next_->local_endpoint(); }
    evercert::endpoint remote_endpoint() const override { return next_->remote_endpoint(); }

private:
    std::unique_ptr<evercert::stream> next_;
    std::shared_ptr<counts> counts_;
};

}  // namespace test
