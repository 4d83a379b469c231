#pragma once

#include <asio/error.hpp>

#include "forwarding_stream.hpp"

namespace test {

/// Counts the reads of the stream below it: each of them is a system call, if that is a socket.
class counted_stream final : public forwarding_stream {
public:
    struct counts {
        int some = 0;
        int nothing = 0;
    };

    counted_stream(std::unique_ptr<evercert::stream> next, std::shared_ptr<counts> into)
        : forwarding_stream{std::move(next)}, counts_{std::move(into)} {}

    evercert::io_result try_read(std::span<std::byte> into) noexcept override {
        const auto result = next().try_read(into);
        ++(result.error == asio::error::would_block ? counts_->nothing : counts_->some);
        return result;
    }

private:
    std::shared_ptr<counts> counts_;
};

}  // namespace test
