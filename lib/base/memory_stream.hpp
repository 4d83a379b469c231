#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include <asio/any_io_executor.hpp>

#include <evercert/network.hpp>

namespace evercert {

/// Two streams that are connected to each other in memory, both on `executor`. `capacity` bytes fit
/// in each direction before a write would block; `segment` bytes at most arrive by one read.
std::pair<std::unique_ptr<stream>, std::unique_ptr<stream>> memory_stream_pair(
    asio::any_io_executor executor, std::size_t capacity = 64 << 10, std::size_t segment = 64 << 10);

}  // namespace evercert
