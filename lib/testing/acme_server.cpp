#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include <asio/dispatch.hpp>
#include <asio/strand.hpp>

#include <evercert/certificate_source.hpp>
#include <evercert/error.hpp>
#include <evercert/server_options.hpp>
#include <evercert/testing/acme_server.hpp>

#include "base/check_time.hpp"
#include "base/log.hpp"
#include "base/task_group.hpp"
#include "http/server_connection.hpp"
#include "ledger/check_limits.hpp"
#include "server/http_server.hpp"
#include "testing/ca_core.hpp"
#include "testing/fault_plan.hpp"
#include "testing/temporary_file.hpp"
#include "testing/validator.hpp"

namespace evercert::testing {

namespace {

/// The largest request is a finalize with a CSR for 100 names and an RSA key: 14 kB.
constexpr std::size_t request_max = 64 << 10;
/// The requests of an order follow one another at once; in simulated time each second that a connection lingers costs.
constexpr std::chrono::seconds idle_timeout{10};

acme_server_options checked(acme_server_options options) {
    const auto require = [](bool holds, const char* text) {
        if (!holds)
            throw error{errc::invalid_options, std::string{"acme_server_options::"} + text};
    };
    check_time(options.validation_timeout, "acme_server_options::validation_timeout");
    check_time_or_zero(options.validation_delay, "acme_server_options::validation_delay");
    check_time_or_zero(options.issuance_delay, "acme_server_options::issuance_delay");
    check_time(options.lifetime, "acme_server_options::lifetime");
    if (options.limits)
        check_limits(*options.limits);
    require(options.bad_nonce_every >= 0, "bad_nonce_every must not be negative");
    require(!options.challenges.empty(), "challenges must not be empty");
    require(options.clock && options.network, "clock and network must not be null");
    return options;
}

server_options api_options() {
    server_options options;
    options.body_max = request_max;
    options.idle_timeout = idle_timeout;
    return options;
}

/// The address under which a client on this machine reaches the API.
endpoint reachable(endpoint bound) {
    if (bound.address.is_unspecified() && bound.address.is_v4())
        bound.address = asio::ip::address_v4::loopback();
    else if (bound.address.is_unspecified())
        bound.address = asio::ip::address_v6::loopback();
    return bound;
}

certificate_ptr issue_api_certificate(const authority& issuer, endpoint api, wall_time now) {
    std::vector<identifier> names{"127.0.0.1", "::1"};
    const identifier address{api.address.to_string()};
    if (std::find(names.begin(), names.end(), address) == names.end())
        names.push_back(address);
    const auto key = private_key::generate();
    const auto issued = issuer.issue(
        names, public_key{key}, {now - std::chrono::hours{1}, now + authority::lifetime - std::chrono::days{1}});
    return std::make_shared<certificate>(issued.chain_pem, key);
}

moment read(clock& from) { return {from.wall(), from.steady()}; }

}  // namespace

/// What runs on the strand keeps it alive: the `acme_server` says when that is to end and does not wait.
struct acme_server::impl final : certificate_source, std::enable_shared_from_this<impl> {
    impl(asio::any_io_executor executor, acme_server_options wanted)
        : options{checked(std::move(wanted))},
          log{options.log},
          strand{asio::make_strand(std::move(executor))},
          listening{options.network->listen(strand, options.api)},
          api{reachable(listening->local_endpoint())},
          api_issuer{"evercert testing API", options.clock->wall(), false},
          api_certificate{issue_api_certificate(api_issuer, api, options.clock->wall())},
          api_root{std::in_place, api_issuer.roots_pem()},
          core{
              options, "https://" + to_string(api),
              authority{"evercert testing", options.clock->wall(), options.alternate_chain}},
          validations{
              options.clock, options.validation_network ? options.validation_network : options.network,
              options.validation_address, options.validation_timeout, log},
          server{strand, strand, api_options(), options.clock, log},
          serving{strand},
          validating{strand} {
        const handler answer_all = [this](request in) { return answer(*this, std::move(in)); };
        if (options.network->secured())
            server.add(std::move(listening), answer_all);
        else
            server.add(std::move(listening), answer_all, *this);
    }

    const acme_server_options options;
    const logger log;
    const asio::any_io_executor strand;
    std::unique_ptr<listener> listening;
    const endpoint api;
    const authority api_issuer;
    const certificate_ptr api_certificate;
    std::optional<temporary_file> api_root;

    /// Guards what members of `acme_server` read and change from any thread.
    mutable std::mutex mutex;
    ca_core core;
    ca_faults faults{mutex, core, *options.clock};
    std::uint16_t http_port = options.http_port;
    std::uint16_t https_port = options.https_port;

    validator validations;
    http_server server;
    task_group serving;
    task_group validating;
    bool stopped = false;

    asio::awaitable<certificate_ptr> get_certificate(client_hello) override { co_return api_certificate; }

    static asio::awaitable<void> run(std::shared_ptr<impl> self) { co_await self->server.run(); }

    static asio::awaitable<response> answer(impl& self, request in) {
        std::vector<validation> asked;
        std::vector<issued_certificate> issued;
        std::vector<placed_order> ordered;
        std::optional<response> out;
        auto body = co_await in.body.text();
        in.body = std::move(body);
        {
            const std::lock_guard lock{self.mutex};
            out = self.core.handle(in, read(*self.options.clock));
            asked = self.core.take_validations();
            issued = self.core.take_issued();
            ordered = self.core.take_ordered();
        }
        if (self.log.wants(log_level::debug))
            self.log(
                log_level::debug, "{} {}: {}", quoted(in.method), quoted(in.target),
                out ? std::to_string(out->status) : "the answer is lost");
        if (self.options.issued)
            for (const auto& each : issued)
                self.options.issued(each);
        if (self.options.ordered)
            for (const auto& each : ordered)
                self.options.ordered(each);
        if (!self.stopped)
            for (auto& each : asked)
                self.validating.spawn(validate(self.shared_from_this(), std::move(each)));
        if (!out)
            throw no_answer{};
        co_return std::move(*out);
    }

    static asio::awaitable<void> validate(std::shared_ptr<impl> self, validation what) {
        std::uint16_t http_port = 0;
        std::uint16_t https_port = 0;
        {
            const std::lock_guard lock{self->mutex};
            http_port = self->http_port;
            https_port = self->https_port;
        }
        const auto challenge = what.challenge;
        auto found = co_await self->validations.validate(std::move(what), http_port, https_port);
        const std::lock_guard lock{self->mutex};
        self->core.validated(challenge, std::move(found), read(*self->options.clock));
    }

    void stop() {
        if (std::exchange(stopped, true))
            return;
        server.stop(duration::zero());
        validating.cancel();
    }
};

acme_server::acme_server(asio::any_io_executor executor, acme_server_options options)
    : impl_{std::make_shared<impl>(std::move(executor), std::move(options))} {
    impl_->serving.spawn(impl::run(impl_));
}

acme_server::~acme_server() {
    impl_->api_root.reset();
    stop();
}

void acme_server::stop() {
    asio::dispatch(impl_->strand, [self = impl_] { self->stop(); });
}

std::string acme_server::directory_url() const { return impl_->core.view().url(resource::directory); }

std::string acme_server::api_root_pem() const { return impl_->api_issuer.roots_pem(); }

std::string acme_server::api_root_file() const { return impl_->api_root->path(); }

std::string acme_server::issuing_root_pem() const {
    const std::lock_guard lock{impl_->mutex};
    return impl_->core.roots_pem();
}

void acme_server::validation_ports(std::uint16_t http_port, std::uint16_t https_port) {
    const std::lock_guard lock{impl_->mutex};
    impl_->http_port = http_port;
    impl_->https_port = https_port;
}

void acme_server::fail_next(
    std::string resource, int status, std::string type, std::string detail, std::string retry_after) {
    auto how = make_fault(status, type, std::move(detail), std::move(retry_after));
    const std::lock_guard lock{impl_->mutex};
    impl_->core.faults().fail_next(parse_resource(resource), std::move(how));
}

void acme_server::fail_all(
    std::string resource, int status, std::string type, std::string detail, std::string retry_after) {
    faults().fail_every(1, resource, status, std::move(type), std::move(detail), std::move(retry_after));
}

ca_faults& acme_server::faults() noexcept { return impl_->faults; }

void acme_server::recover() {
    const std::lock_guard lock{impl_->mutex};
    impl_->core.recover();
}

void acme_server::bad_nonce_every(int n) {
    const std::lock_guard lock{impl_->mutex};
    impl_->core.bad_nonce_every(n);
}

void acme_server::renewal_window(std::string_view serial, wall_time start, wall_time end, std::string explanation_url) {
    const std::lock_guard lock{impl_->mutex};
    impl_->core.renewal_window(serial, {start, end, std::move(explanation_url)});
}

void acme_server::renewal_windows(wall_time start, wall_time end, std::string explanation_url) {
    const std::lock_guard lock{impl_->mutex};
    impl_->core.renewal_windows({start, end, std::move(explanation_url)});
}

int acme_server::count(std::string_view resource) const {
    const std::lock_guard lock{impl_->mutex};
    return impl_->core.count(parse_resource(resource));
}

int acme_server::certificates_issued() const {
    const std::lock_guard lock{impl_->mutex};
    return static_cast<int>(impl_->core.certificates().added());
}

int acme_server::limit_violations() const {
    const std::lock_guard lock{impl_->mutex};
    return impl_->core.limiter().violations();
}

std::vector<std::string> acme_server::latest_limit_violations() const {
    const std::lock_guard lock{impl_->mutex};
    const auto& latest = impl_->core.limiter().latest();
    return {latest.begin(), latest.end()};
}

int acme_server::protocol_violations() const {
    const std::lock_guard lock{impl_->mutex};
    return impl_->core.careless().count();
}

std::vector<std::string> acme_server::latest_protocol_violations() const {
    const std::lock_guard lock{impl_->mutex};
    const auto& latest = impl_->core.careless().latest();
    return {latest.begin(), latest.end()};
}

std::vector<std::string> acme_server::revoked() const {
    const std::lock_guard lock{impl_->mutex};
    std::vector<std::string> serials;
    for (const auto& [id, each] : impl_->core.certificates())
        if (each.revoked)
            serials.push_back(each.serial);
    return serials;
}

std::vector<std::string> acme_server::replaced() const {
    const std::lock_guard lock{impl_->mutex};
    std::vector<std::string> serials;
    for (const auto& [id, each] : impl_->core.certificates())
        if (each.replaced_by)
            serials.push_back(each.serial);
    return serials;
}

}  // namespace evercert::testing
