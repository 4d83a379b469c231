#include <asio/this_coro.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>

#include "manager/impl.hpp"
#include "server/http_server.hpp"
#include "server/redirect.hpp"

namespace evercert {
namespace {

asio::awaitable<response> give(response prepared) { co_return prepared; }

asio::awaitable<response> redirect(request asked) { co_return redirect_to_https(asked); }

}  // namespace

void manager::impl::handle_http(std::string_view pattern, handler answer) {
    check_handlers_open("handle_http()");
    if (!http_mux)
        http_mux.emplace().fallback(redirect);
    http_mux->handle(pattern, std::move(answer));
}

void manager::impl::check_handlers_open(const char* what) const {
    if (!https.get().empty())
        throw error{
            errc::invalid_options, fmt::format("{} comes before serve(): requests are being answered already", what)};
}

std::optional<response> manager::impl::answer_validation(const request& asked) const {
    const auto key_authorization = http_01->answer(asked.path());
    if (!key_authorization)
        return {};
    response answer{*key_authorization};
    answer.fields.set("Content-Type", "application/octet-stream");
    return answer;
}

asio::awaitable<response> manager::impl::answer_http(request asked) const {
    if (auto validation = answer_validation(asked))
        return give(std::move(*validation));
    return http_mux ? http_mux->answer(std::move(asked)) : redirect(std::move(asked));
}

void manager::impl::listen(http_server& server, bool with_http) {
    const auto self = shared_from_this();
    const std::shared_ptr<const evercert::mux> handlers{self, &mux};
    std::vector<endpoint> http_at, https_at;
    for (const auto& address : options.server.addresses) {
        auto secure = options.network->listen(strand, {address, options.server.https_port});
        https_at.push_back(secure->local_endpoint());
        server.add(std::move(secure), [handlers](request asked) { return handlers->answer(std::move(asked)); }, *this);
        if (!with_http)
            continue;
        auto plain = options.network->listen(strand, {address, options.server.http_port});
        http_at.push_back(plain->local_endpoint());
        server.add(std::move(plain), [self](request asked) { return self->answer_http(std::move(asked)); });
    }
    for (const auto& at : http_at)
        log(log_level::info, "listening on http://{}", to_string(at));
    for (const auto& at : https_at)
        log(log_level::info, "listening on https://{}", to_string(at));
    http.set(std::move(http_at));
    https.set(std::move(https_at));
    changed.notify_all();
}

asio::awaitable<void> manager::impl::stop_server(http_server& server) {
    co_await wait_stopped();
    server.stop(options.server.stop_grace);
}

asio::awaitable<void> manager::impl::serve(bool with_http) {
    if (!https.get().empty())
        throw error{errc::invalid_options, "the manager serves already"};
    http_server server{strand, executor, options.server, options.clock, log};
    listen(server, with_http);
    background_work work{*this};
    task_group stopper{strand};
    stopper.keep_alive(weak_from_this());
    stopper.spawn(stop_server(server));
    auto served = co_await as_outcome(server.run());
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    stopper.cancel();
    co_await stopper.join();
    http.set({});
    https.set({});
    co_await wind_down(work);
    served.get();
}

asio::awaitable<void> manager::impl::listening() {
    while (!stopping && https.get().empty())
        co_await changed.wait();
    check_running();
}

}  // namespace evercert
