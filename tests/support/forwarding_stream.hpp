#pragma once

#include <memory>
#include <utility>

#include <evercert/network.hpp>

namespace test {

/// The stream below it, for who wants one thing of it to be different.
class forwarding_stream : public evercert::stream {
public:
    explicit forwarding_stream(std::unique_ptr<evercert::stream> next) : next_{std::move(next)} {}

    evercert::io_result try_read(std::span<std::byte> into) noexcept override { return next_->try_read(into); }
    evercert::io_result try_write(std::span<const std::byte> from) noexcept override { return next_->try_write(from); }
    void start_wait(evercert::readiness what, evercert::wait_handler::pointer waiting) override {
        next_->start_wait(what, std::move(waiting));
    }
    void shutdown_write() noexcept override { next_->shutdown_write(); }
    void close() noexcept override { next_->close(); }
    asio::any_io_executor get_executor() const override { return next_->get_executor(); }
    evercert::endpoint local_endpoint() const override { return next_->local_endpoint(); }
    evercert::endpoint remote_endpoint() const override { return next_->remote_endpoint(); }

protected:
    evercert::stream& next() noexcept { return *next_; }

private:
    std::unique_ptr<evercert::stream> next_;
};

}  // namespace test
