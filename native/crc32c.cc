// CRC-32C (Castagnoli; RFC 3720 appendix B.4, reflected polynomial 0x82F63B78).
//
// x86: the crc32 instruction takes 8 bytes a cycle but answers after 3, so long inputs run as three
// interleaved streams. A stream's remainder is carried over the n bytes that follow it by
// multiplying with x^(8n) modulo the polynomial: with reflected operands, pclmulqdq followed by
// crc32 multiplies by x^33 as well, so the constant is x^(8n - 33).
// Arm: the crc32cx instruction, one stream. Others: slicing by eight tables.
// Origin of the interleaving: V. Gopal et al., "Fast CRC Computation for iSCSI Polynomial Using
// CRC32 Instruction", Intel (2011).
#include <array>
#include <cstring>

#include "napi_util.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#endif

namespace stratalog {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;

using Crc32cFunction = uint32_t (*)(uint32_t crc, const uint8_t* data, size_t length);

inline uint64_t Load64(const uint8_t* data) {
  uint64_t word;
  std::memcpy(&word, data, sizeof word);
  return word;
}

constexpr std::array<std::array<uint32_t, 256>, 8> BuildTables() {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t remainder = byte;
    for (int bit = 0; bit < 8; bit++) {
      remainder = (remainder >> 1) ^ ((remainder & 1) ? kPolynomial : 0);
    }
    tables[0][byte] = remainder;
  }
  for (size_t table = 1; table < 8; table++) {
    for (size_t byte = 0; byte < 256; byte++) {
      uint32_t shorter = tables[table - 1][byte];
      tables[table][byte] = (shorter >> 8) ^ tables[0][shorter & 0xff];
    }
  }
  return tables;
}

constexpr auto kTables = BuildTables();

uint32_t Crc32cTables(uint32_t crc, const uint8_t* data, size_t length) {
  for (; length >= 8; data += 8, length -= 8) {
    crc ^= data[0] | data[1] << 8 | data[2] << 16 | static_cast<uint32_t>(data[3]) << 24;
    crc = kTables[7][crc & 0xff] ^ kTables[6][(crc >> 8) & 0xff] ^
          kTables[5][(crc >> 16) & 0xff] ^ kTables[4][crc >> 24] ^ kTables[3][data[4]] ^
          kTables[2][data[5]] ^ kTables[1][data[6]] ^ kTables[0][data[7]];
  }
  for (; length > 0; data++, length--) crc = (crc >> 8) ^ kTables[0][(crc ^ *data) & 0xff];
  return crc;
}

#if defined(__x86_64__)

// x^exponent modulo the polynomial, reflected: bit 31 is x^0.
constexpr uint32_t PowerOfX(uint64_t exponent) {
  uint32_t power = uint32_t{1} << 31;
  for (; exponent > 0; exponent--) power = (power >> 1) ^ ((power & 1) ? kPolynomial : 0);
  return power;
}

__attribute__((target("sse4.2"))) inline uint32_t Crc32cWords(uint32_t crc, const uint8_t* data,
                                                               size_t length) {
  uint64_t wide = crc;
  for (; length >= 8; data += 8, length -= 8) wide = _mm_crc32_u64(wide, Load64(data));
  crc = static_cast<uint32_t>(wide);
  if (length & 4) {
    uint32_t word;
    std::memcpy(&word, data, sizeof word);
    crc = _mm_crc32_u32(crc, word);
    data += 4;
  }
  if (length & 2) {
    uint16_t word;
    std::memcpy(&word, data, sizeof word);
    crc = _mm_crc32_u16(crc, word);
    data += 2;
  }
  if (length & 1) crc = _mm_crc32_u8(crc, *data);
  return crc;
}

// Takes whole blocks of 3 × kStream bytes off the front of the input.
template <size_t kStream>
__attribute__((target("sse4.2,pclmul"))) inline uint32_t Crc32cBlocks(uint32_t crc,
                                                                       const uint8_t** data,
                                                                       size_t* length) {
  constexpr uint32_t kOverOne = PowerOfX(8 * kStream - 33);
  constexpr uint32_t kOverTwo = PowerOfX(16 * kStream - 33);
  const __m128i over_one = _mm_cvtsi32_si128(static_cast<int>(kOverOne));
  const __m128i over_two = _mm_cvtsi32_si128(static_cast<int>(kOverTwo));
  const uint8_t* at = *data;
  uint64_t first = crc;
  for (; *length >= 3 * kStream; *length -= 3 * kStream, at += 2 * kStream) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (const uint8_t* end = at + kStream; at < end; at += 8) {
      first = _mm_crc32_u64(first, Load64(at));
      second = _mm_crc32_u64(second, Load64(at + kStream));
      third = _mm_crc32_u64(third, Load64(at + 2 * kStream));
    }
    const __m128i carried_first =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<int64_t>(first)), over_two, 0);
    const __m128i carried_second =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<int64_t>(second)), over_one, 0);
    const __m128i carried = _mm_xor_si128(carried_first, carried_second);
    first = third ^ _mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(carried)));
  }
  *data = at;
  return static_cast<uint32_t>(first);
}

__attribute__((target("sse4.2,pclmul"))) uint32_t Crc32cX86(uint32_t crc, const uint8_t* data,
                                                             size_t length) {
  crc = Crc32cBlocks<2048>(crc, &data, &length);
  crc = Crc32cBlocks<128>(crc, &data, &length);
  return Crc32cWords(crc, data, length);
}

Crc32cFunction Choose() {
  bool has_both = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
  return has_both ? Crc32cX86 : Crc32cTables;
}

#elif defined(__aarch64__)

#if defined(__clang__)
__attribute__((target("crc")))
#else
__attribute__((target("+crc")))
#endif
uint32_t Crc32cArm(uint32_t crc, const uint8_t* data, size_t length) {
  for (; length >= 8; data += 8, length -= 8) crc = __crc32cd(crc, Load64(data));
  for (; length > 0; data++, length--) crc = __crc32cb(crc, *data);
  return crc;
}

Crc32cFunction Choose() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) ? Crc32cArm : Crc32cTables;
#else
  return Crc32cArm;  // every 64-bit Apple processor has it
#endif
}

#else

Crc32cFunction Choose() { return Crc32cTables; }

#endif

const Crc32cFunction crc32c_of_this_machine = Choose();

// crc32c(bytes, start, end, seed = 0)
napi_value Crc32c(napi_env env, napi_callback_info info) {
  size_t count = 4;
  napi_value arguments[4];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  ByteRange range;
  if (!ReadByteRange(env, arguments, count, &range)) return nullptr;
  double seed = 0;
  napi_valuetype seed_type = napi_undefined;
  if (count > 3) napi_typeof(env, arguments[3], &seed_type);
  if (seed_type != napi_undefined && napi_get_value_double(env, arguments[3], &seed) != napi_ok) {
    ThrowTypeError(env, "seed");
    return nullptr;
  }
  if (!(seed >= 0 && seed <= UINT32_MAX)) {
    ThrowRangeError(env, "seed");
    return nullptr;
  }
  uint32_t crc = ~static_cast<uint32_t>(seed);
  crc = ~crc32c_of_this_machine(crc, range.data, range.size);
  napi_value result;
  napi_create_uint32(env, crc, &result);
  return result;
}

}  // namespace

void ExportCrc32c(Napi::Env env, Napi::Object exports) {
  ExportFunction(env, exports, "crc32c", Crc32c);
}

}  // namespace stratalog
