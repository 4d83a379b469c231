#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <asio/awaitable.hpp>

#include <evercert/certificate.hpp>
#include <evercert/own_certificate.hpp>
#include <evercert/status.hpp>

#include "base/event.hpp"
#include "base/worker.hpp"
#include "lookup/certificate_index.hpp"
#include "manager/context.hpp"
#include "manager/pem_files.hpp"

namespace evercert {

/// The application's own certificates: into handshakes, again when their files change, and told of when they end. Thread-safe, but for `watch`,
/// which is for the manager's strand.
class own_certificates {
public:
    own_certificates(const manager_context&, certificate_index&, std::shared_ptr<worker>);

    /// See `manager`.
    void add(std::string_view chain_pem, std::string_view key_pem, own_certificate_options);
    void add_files(certificate_paths, own_certificate_options);
    bool remove(const identifier& name);
    /// Some came or went; on the strand.
    void changed() { changed_.notify_all(); }

    /// For clients that send no name; null if there is none that they can use.
    certificate_ptr for_no_name(const certificate_choice&) const;
    std::vector<certificate_status> status() const;
    /// Nothing if it is none of them.
    std::optional<certificate_status> status(const held_ptr&) const;

    /// Look at the files, and at the ends, until cancelled.
    asio::awaitable<void> watch();

    /// From a look that found a change to the next, which decides.
    static constexpr std::chrono::seconds settle{1};
    /// The clock may be set: ends are looked for at least so often.
    static constexpr std::chrono::hours look_for_ends{1};

private:
    struct entry {
        std::uint64_t id = 0;
        held_ptr held;
        own_certificate_options options = {};
        std::optional<certificate_paths> paths = {};
        file_look look{{}};
        std::optional<last_problem> problem = {};
        certificate_record::notice told = certificate_record::notice::none;
    };
    using ids = std::vector<std::uint64_t>;

    void take(entry);
    void publish(const held_ptr& fresh, bool replaced);
    entry* find(std::uint64_t id);
    std::optional<entry> copy(std::uint64_t id);
    certificate_status status_of(const entry&) const;

    duration next_look() const;
    asio::awaitable<void> look_at_files();
    asio::awaitable<bool> look_at(std::uint64_t id);
    asio::awaitable<void> reload(entry changed, pem_content);
    void reloaded(const entry&, const held_ptr& fresh);
    void not_reloaded(const entry&, const std::exception_ptr&);
    void tell_of_ends();
    void tell_of_end(const entry&);

    const manager_context& context_;
    certificate_index& index_;
    const std::shared_ptr<worker> worker_;
    mutable std::mutex mutex_;
    std::vector<entry> entries_;
    std::uint64_t last_id_ = 0;
    event changed_;
};

}  // namespace evercert
