// Walks the records of one batch, when all of them are as a producer writes them.
//
// One call for a batch instead of some fifty steps of JavaScript for each record. It answers only for
// what is beyond doubt: whatever is unusual, wrong or rare makes it say no, and the walk above
// (record-cursor.ts) decides, and names what is wrong.
#include <algorithm>
#include <limits>

#include "napi_util.h"

namespace stratalog {

namespace {

// Largest distance of two timestamps that a JavaScript number holds exactly.
constexpr int64_t kMaxExact = (int64_t{1} << 53) - 1;

// Zigzag integers of base 128. `ok` turns false for good at the first that is cut off or too long.
struct Reader {
  const uint8_t* at;
  const uint8_t* end;
  bool ok = true;

  // Up to `max_bytes` groups of seven bits, of which the last may hold `last_bits`.
  uint64_t ReadZigzag(int max_bytes, int last_bits) {
    uint64_t value = 0;
    for (int i = 0; at < end; i++) {
      uint8_t byte = *at++;
      value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        if (i < max_bytes - 1 || byte < 1 << last_bits) return value;
        break;
      }
      if (i == max_bytes - 1) break;
    }
    ok = false;
    return 0;
  }

  int64_t Signed(uint64_t zigzag) {
    return static_cast<int64_t>(zigzag >> 1) ^ -static_cast<int64_t>(zigzag & 1);
  }

  int64_t Int32() {
    // Lengths and counts below 64, nearly all of them, are one byte.
    if (at < end && *at < 0x80) return Signed(*at++);
    return Signed(ReadZigzag(5, 4));
  }

  int64_t Int64() {
    if (at < end && *at < 0x80) return Signed(*at++);
    return Signed(ReadZigzag(10, 1));
  }

  // Skips the bytes of a field with a length before it. Returns whether it is null.
  bool SkipField() {
    int64_t length = Int32();
    if (length == -1) return true;
    if (length < 0 || length > end - at) ok = false;
    else at += length;
    return false;
  }
};

struct Facts {
  int64_t min_timestamp_delta = std::numeric_limits<int64_t>::max();
  int64_t max_timestamp_delta = std::numeric_limits<int64_t>::min();
  int64_t null_keys = 0;
};

// Whether `[at, end)` is exactly `count` regular records with the offset deltas 0, 1, 2, ….
bool Scan(const uint8_t* at, const uint8_t* end, int64_t count, Facts* facts) {
  Reader section{at, end};
  for (int64_t index = 0; index < count; index++) {
    int64_t length = section.Int32();
    if (!section.ok || length < 1 || length > section.end - section.at) return false;
    Reader record{section.at + 1, section.at + length};  // behind the attributes
    int64_t timestamp_delta = record.Int64();
    if (record.Int32() != index) return false;
    if (record.SkipField()) facts->null_keys++;
    record.SkipField();
    int64_t headers = record.Int32();
    if (headers < 0) return false;
    for (; record.ok && headers > 0; headers--) {
      if (record.SkipField()) return false;
      record.SkipField();
    }
    if (!record.ok || record.at != record.end) return false;
    facts->min_timestamp_delta = std::min(facts->min_timestamp_delta, timestamp_delta);
    facts->max_timestamp_delta = std::max(facts->max_timestamp_delta, timestamp_delta);
    section.at = record.end;
  }
  return section.at == section.end && facts->min_timestamp_delta >= -kMaxExact &&
         facts->max_timestamp_delta <= kMaxExact;
}

// scanRecords(bytes, start, end, count, facts)
napi_value ScanRecords(napi_env env, napi_callback_info info) {
  size_t argument_count = 5;
  napi_value arguments[5];
  napi_get_cb_info(env, info, &argument_count, arguments, nullptr, nullptr);
  ByteRange range;
  if (!ReadByteRange(env, arguments, argument_count, &range)) return nullptr;
  double count = 0;
  napi_typedarray_type type;
  size_t facts_length = 0;
  void* facts_data = nullptr;
  if (argument_count < 5 || napi_get_value_double(env, arguments[3], &count) != napi_ok ||
      napi_get_typedarray_info(env, arguments[4], &type, &facts_length, &facts_data, nullptr,
                               nullptr) != napi_ok ||
      type != napi_float64_array || facts_length < 3) {
    ThrowTypeError(env, "count or facts");
    return nullptr;
  }
  if (!(count >= 1 && count <= INT32_MAX)) {
    ThrowRangeError(env, "count");
    return nullptr;
  }
  Facts facts;
  bool is_regular =
      Scan(range.data, range.data + range.size, static_cast<int64_t>(count), &facts);
  if (is_regular) {
    double* found = static_cast<double*>(facts_data);
    found[0] = static_cast<double>(facts.min_timestamp_delta);
    found[1] = static_cast<double>(facts.max_timestamp_delta);
    found[2] = static_cast<double>(facts.null_keys);
  }
  napi_value result;
  napi_get_boolean(env, is_regular, &result);
  return result;
}

}  // namespace

void ExportRecordScan(Napi::Env env, Napi::Object exports) {
  ExportFunction(env, exports, "scanRecords", ScanRecords);
}

}  // namespace stratalog
