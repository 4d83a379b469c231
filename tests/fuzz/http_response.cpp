#include "http_messages.hpp"

using namespace evercert;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = fuzz::text_of(data, size);
    for (const bool to_head : {false, true}) {
        http1_response_decoder whole{fuzz::limits, to_head};
        const auto taken = fuzz::feed(whole, input, input.size());
        fuzz::check_bounds(whole);
        http1_response_decoder bytes{fuzz::limits, to_head};
        const auto again = fuzz::feed(bytes, input, 1);
        fuzz::check_bounds(bytes);
        fuzz::must(bytes.complete() == whole.complete(), "pieces make the same message");
        fuzz::must(!whole.complete() || again == taken, "pieces end where the whole does");
        if (!whole.complete()) {
            whole.feed_end();
            bytes.feed_end();
            fuzz::check_bounds(whole);
            fuzz::must(bytes.complete() == whole.complete(), "pieces end as the whole does");
        }
        if (!whole.complete())
            continue;
        fuzz::must(bytes.message().status == whole.message().status, "pieces have the same status");
        fuzz::must(bytes.message().body == whole.message().body, "pieces have the same body");
        fuzz::must(fuzz::same(bytes.message().fields, whole.message().fields), "pieces have the same fields");
        fuzz::must(whole.message().status >= 100 && whole.message().status <= 999, "a status has three digits");
    }
    return 0;
}
