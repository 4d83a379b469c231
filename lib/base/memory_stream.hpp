#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include <asio/any_io_executor.hpp>

#include <evercert/network.hpp>

namespace evercert {

/// Takes what one direction carries, bytes or their end, and calls it when it arrives: in the order given, on the streams'
/// thread, now or later, or never.
using carrier = std::function<void(std::function<void()> arrive)>;

struct memory_stream_options {
    /// Bytes that fit in each direction before a write would block; at least 1.
    std::size_t capacity = 64 << 10;
    /// Bytes that arrive by one read at most; at least 1.
    std::size_t segment = 64 << 10;
    /// What the two streams say their own address is; each has the other's as remote.
    endpoint first = {};
    endpoint second = {};
    /// None: everything arrives at once.
    carrier to_first = {};
    carrier to_second = {};
};

/// Two streams that are connected to each other in memory, and behave as TCP does: what was written before
/// `shutdown_write()` or `close()` can still be read, then comes `eof`, or `connection_reset` if the peer closed
/// with something left unread. Writing to a peer that has closed is `connection_reset`, writing after one's own
/// `shutdown_write()` `broken_pipe`.
///
/// A wait never completes inline. Both streams are used on one thread at a time, whatever their executors.
/// `reset` breaks the connection for both, as a network does: what has not been read is lost, then `connection_reset`.
/// It may be called when the streams are gone.
struct memory_connection {
    std::unique_ptr<stream> first, second;
    std::function<void()> reset;
};
memory_connection connect_in_memory(
    asio::any_io_executor first, asio::any_io_executor second, const memory_stream_options& options);

std::pair<std::unique_ptr<stream>, std::unique_ptr<stream>> memory_stream_pair(
    asio::any_io_executor first, asio::any_io_executor second, const memory_stream_options& options);

std::pair<std::unique_ptr<stream>, std::unique_ptr<stream>> memory_stream_pair(
    asio::any_io_executor executor, std::size_t capacity = 64 << 10, std::size_t segment = 64 << 10);

}  // namespace evercert
