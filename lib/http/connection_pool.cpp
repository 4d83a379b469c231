#include "http/connection_pool.hpp"

#include <array>
#include <utility>

#include <asio/error.hpp>

namespace evercert {

namespace {

// A peer that has closed, or sends what nobody asked for, has made the connection useless. TLS takes session
// tickets here and answers would_block after them.
bool is_quiet(stream& connection) {
    std::array<std::byte, 1> unasked;
    return connection.try_read(unasked).error == asio::error::would_block;
}

}  // namespace

connection_pool::connection_pool(std::size_t size_max, duration idle_timeout, std::shared_ptr<clock> time)
    : size_max_{size_max}, idle_timeout_{idle_timeout}, clock_{std::move(time)} {}

std::unique_ptr<stream> connection_pool::take(const std::string& origin) {
    drop_expired();
    for (auto it = idle_.end(); it != idle_.begin();) {
        --it;
        if (it->origin != origin)
            continue;
        auto connection = std::move(it->connection);
        it = idle_.erase(it);
        if (is_quiet(*connection))
            return connection;
    }
    return nullptr;
}

void connection_pool::put(std::string origin, std::unique_ptr<stream> connection) {
    drop_expired();
    idle_.push_back({std::move(origin), std::move(connection), clock_->steady()});
    if (idle_.size() > size_max_)
        idle_.pop_front();
}

void connection_pool::drop_expired() {
    const auto now = clock_->steady();
    while (!idle_.empty() && now - idle_.front().since >= idle_timeout_)
        idle_.pop_front();
}

}  // namespace evercert
