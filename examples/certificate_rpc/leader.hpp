#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>

#include <evercert/manager.hpp>

#include "message.hpp"

/// Answers the followers' questions out of a manager. Belongs to one thread.
class leader {
public:
    /// Listens at `path`. Throws if another leader answers there.
    leader(asio::io_context&, evercert::manager&, const std::string& path);
    /// Removes the socket, so that a follower is told at once that nobody leads.
    ~leader();
    leader(const leader&) = delete;

    /// Returns after `stop()`.
    asio::awaitable<void> serve();
    void stop();

private:
    asio::awaitable<void> converse(local_ptr);
    asio::awaitable<message> answer(message question);
    asio::awaitable<message> give_certificate(message question);
    message validate(const message& question) const;
    message note_end(const message& question);
    evercert::certificate_ptr find(const std::string& name, const std::string& serial) const;

    /// Certificates that no follower has said yet that a client took; beyond it the first are forgotten.
    static constexpr std::size_t given_max = 10'000;

    asio::io_context& io_;
    evercert::manager& manager_;
    std::string path_;
    local::acceptor acceptor_;
    std::set<local_ptr> open_;
    std::map<std::string, evercert::certificate_ptr> given_;  ///< by serial number
};
