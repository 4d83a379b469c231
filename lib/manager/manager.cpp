#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <evercert/error.hpp>
#include <evercert/manager.hpp>

#include "manager/go_state.hpp"
#include "manager/impl.hpp"
#include "server/redirect.hpp"
#include "store/one_file_store.hpp"

namespace evercert {

manager::manager(asio::any_io_executor executor, manager_options options)
    : impl_{std::make_shared<impl>(std::move(executor), std::move(options))} {
    impl_->start();
}

manager::manager(asio::io_context& io, manager_options options) : manager{io.get_executor(), std::move(options)} {}

manager::~manager() {
    impl_->destroyed = true;
    stop();
    impl_->blocking->close();
    impl_->options.store->settle();
}

void manager::set_hosts(std::vector<identifier> names) {
    impl_->all.set_hosts({false, std::move(names), true});
    impl_->hosts_changed();
}

void manager::allow_any_host() {
    impl_->all.set_hosts({true, {}, true});
    impl_->hosts_changed();
}

asio::awaitable<void> manager::register_account(std::string email) {
    return impl::enter(impl_, impl_->accounts.register_account(std::move(email)));
}

bool manager::registered() const {
    const auto known = impl_->all.account();
    return known && !known->url.empty();
}

asio::awaitable<certificate_ptr> manager::cert(identifier name) {
    std::vector<identifier> names;
    names.push_back(std::move(name));
    return manage(std::move(names));
}

asio::awaitable<certificate_ptr> manager::manage(std::vector<identifier> names) {
    return impl::enter(impl_, impl_->obtain(std::move(names)));
}

certificate_ptr manager::find(const identifier& name) const { return impl_->index.find(name); }

asio::awaitable<certificate_ptr> manager::get_certificate(client_hello hello) {
    return impl_->get_certificate(std::move(hello));
}

void manager::handshake_ended(const certificate_ptr& used, handshake_result how) noexcept {
    impl_->handshake_ended(used, how);
}

issue_answer manager::can_issue(const std::vector<identifier>& names) const { return impl_->can_issue(names); }

void manager::forget_failures(const identifier& name) { impl_->forget_failures(name); }

event_stream manager::events() { return impl_->events.subscribe(); }

manager_status manager::status() const { return impl_->status(); }

std::optional<certificate_status> manager::status(const identifier& name) const { return impl_->status(name); }

void manager::add_certificate(std::string_view chain_pem, std::string_view key_pem, own_certificate_options options) {
    impl_->own.add(chain_pem, key_pem, options);
    impl_->own_changed();
}

void manager::add_certificate_files(std::string chain_path, std::string key_path, own_certificate_options options) {
    impl_->own.add_files({std::move(chain_path), std::move(key_path)}, options);
    impl_->own_changed();
}

bool manager::remove_certificate(const identifier& name) {
    const bool removed = impl_->own.remove(name);
    impl_->own_changed();
    return removed;
}

void manager::handle(std::string_view pattern, handler answer) {
    impl_->check_handlers_open("handle()");
    impl_->mux.handle(pattern, std::move(answer));
}

void manager::handle_http(std::string_view pattern, handler answer) { impl_->handle_http(pattern, std::move(answer)); }

asio::awaitable<void> manager::serve() { return impl::enter(impl_, impl_->serve(true)); }

asio::awaitable<void> manager::serve_https() { return impl::enter(impl_, impl_->serve(false)); }

asio::awaitable<void> manager::run() { return impl::enter(impl_, impl_->run()); }

response manager::redirect_http(const request& asked) const {
    auto validation = impl_->answer_validation(asked);
    return validation ? std::move(*validation) : redirect_to_https(asked);
}

asio::awaitable<void> manager::listening() { return impl::enter(impl_, impl_->listening()); }

std::vector<endpoint> manager::http_endpoints() const { return impl_->http.get(); }

std::vector<endpoint> manager::https_endpoints() const { return impl_->https.get(); }

void manager::stop() { impl_->stop(); }

void manager::install(SSL_CTX* context, std::vector<std::string> alpn_protocols) {
    // The context may outlive the manager.
    auto report = [weak = std::weak_ptr{impl_}](const certificate_ptr& used, handshake_result how) {
        if (const auto self = weak.lock())
            self->handshake_ended(used, how);
    };
    prepare_server_context(context, std::move(alpn_protocols), impl_->lookup_for_context(), std::move(report));
}

std::string manager::marshal() const { return write_document(impl_->all.items()); }

void manager::unmarshal(std::string_view text) {
    const auto now = impl_->context.now();
    const auto from_go = read_go_state(text, impl_->options.directory_url, now);
    impl_->all.replace(from_go ? *from_go : read_document(text), now);
    impl_->state_replaced({});
}

void manager::cache_file(std::string path) {
    const auto self = impl_;
    auto opened = one_file_store::open(self->strand, self->blocking, self->options.clock, self->options.disk, path);
    const auto items = opened->items();
    if (!items.empty()) {
        const auto chosen = self->all.hosts();
        try {
            self->all.replace(items, self->context.now());
        } catch (const error& e) {
            throw error{
                e.code(),
                path + ": " + e.what() + ". It is left as it is; " + path + ".previous may hold the generation before"};
        }
        if (chosen.chosen)
            self->all.set_hosts(chosen);
    }
    self->use_store(std::move(opened));
    self->state_replaced(items);
}

watch_channel& manager::watch() { return impl_->watch; }

}  // namespace evercert
