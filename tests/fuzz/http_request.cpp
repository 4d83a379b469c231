#include "http/http1_head.hpp"
#include "http_messages.hpp"
#include "http_streams.hpp"
#include "request_decoder.hpp"

using namespace evercert;

namespace {

/// The head as the server reads it, and then its body. Nothing if there is no good head.
std::optional<fuzz::streamed_body> read_as_server(std::string_view input) {
    http1_head_scanner scanner{fuzz::limits};
    scanner.scan(input);
    http1_request request;
    if (!scanner.complete() || scanner.failure())
        return {};
    const std::string head{input.substr(scanner.begin(), scanner.end() - scanner.begin())};
    if (read_request_head(head, fuzz::limits, request))
        return {};
    auto body = fuzz::check_stream(request.framing, input.substr(scanner.end()));
    body.taken += scanner.end();
    return body;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = fuzz::text_of(data, size);
    test::request_decoder whole{fuzz::limits};
    const auto taken = fuzz::feed(whole, input, input.size());
    fuzz::check_bounds(whole);
    const auto streamed = read_as_server(input);
    fuzz::must(streamed || !whole.complete(), "a message has a head");
    // One that is refused for its size alone streams.
    if (whole.complete()) {
        fuzz::must(streamed->complete && streamed->taken == taken, "a stream ends where the message does");
        fuzz::must(streamed->content == whole.message().body.whole(), "a stream has the message's body");
        fuzz::must(fuzz::same(streamed->trailers, whole.trailers()), "a stream has the message's trailers");
    }
    for (std::size_t piece : {1, 7}) {
        test::request_decoder decoder{fuzz::limits};
        const auto again = fuzz::feed(decoder, input, piece);
        fuzz::check_bounds(decoder);
        fuzz::must(decoder.complete() == whole.complete(), "pieces make the same message");
        fuzz::must(decoder.failure().has_value() == whole.failure().has_value(), "pieces are refused as the whole");
        if (!whole.complete())
            continue;
        fuzz::must(again == taken, "pieces end where the whole does");
        fuzz::must(decoder.message().method == whole.message().method, "pieces have the same method");
        fuzz::must(decoder.message().target == whole.message().target, "pieces have the same target");
        fuzz::must(decoder.message().body.whole() == whole.message().body.whole(), "pieces have the same body");
        fuzz::must(fuzz::same(decoder.message().fields, whole.message().fields), "pieces have the same fields");
    }
    if (!whole.complete())
        return 0;
    auto& message = whole.message();
    // In HTTP/1.0 it may say anything; what is written is HTTP/1.1.
    message.fields.erase("Expect");
    // Room for those that are added: Host, Content-Length.
    if (message.fields.size() + 2 > fuzz::limits.fields_max)
        return 0;
    const auto wire = fuzz::read([&] { return encode_request(message, message.target, "a.test"); });
    if (!wire)
        return 0;
    test::request_decoder decoder{{64'000, 64'000}};
    fuzz::must(fuzz::feed(decoder, *wire, wire->size()) == wire->size(), "what is written is read to its end");
    fuzz::must(decoder.complete(), "what is written can be read");
    fuzz::must(decoder.message().method == message.method, "a method is the same after it was written");
    fuzz::must(decoder.message().target == message.target, "a target is the same after it was written");
    fuzz::must(decoder.message().body.whole() == message.body.whole(), "a body is the same after it was written");
    return 0;
}
