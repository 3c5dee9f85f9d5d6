// SPDX-License-Identifier: Apache-2.0
// Runs the kernel once on an Alveo card: weights, then the sequences of a file, results into another.
//   host KERNEL.xclbin KERNEL weights.bin input.bin SEQUENCES output.bin OUTPUT_BYTES
// What lies in the files is described in gatewright.shell.layout, and what the registers mean in registers.md.
#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>
#include <xrt/xrt_kernel.h>

#include "gatewright_registers.h"

namespace {

enum Argument { kInput, kOutput, kWeights, kInputBytes, kOutputBytes, kWeightsBytes, kSequences, kMode };

std::vector<char> read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// A buffer cannot be empty.
xrt::bo buffer(const xrt::device& device, const xrt::kernel& kernel, Argument argument, size_t bytes) {
  return {device, bytes ? bytes : 1, kernel.group_id(argument)};
}

// One run; throws if an error flag is set behind it.
void run(xrt::kernel& kernel, xrt::bo& input, xrt::bo& output, xrt::bo& weights, uint32_t input_bytes,
         uint32_t output_bytes, uint32_t weights_bytes, uint32_t sequences, uint32_t mode) {
  auto handle = kernel(input, output, weights, input_bytes, output_bytes, weights_bytes, sequences, mode);
  handle.wait();
  const uint32_t errors = kernel.read_register(GW_ERRORS);
  if (errors) throw std::runtime_error("error flags " + std::to_string(errors) + ", see registers.md");
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 8) {
    std::cerr << "usage: host KERNEL.xclbin KERNEL weights.bin input.bin SEQUENCES output.bin OUTPUT_BYTES\n";
    return 2;
  }
  xrt::device device(0);
  const auto id = device.load_xclbin(std::string(argv[1]));
  // Registers can be read only by who has the kernel for himself.
  xrt::kernel kernel(device, id, std::string(argv[2]), xrt::kernel::cu_access_mode::exclusive);
  const auto weights = read(argv[3]);
  const auto input = read(argv[4]);
  const size_t room = std::stoul(argv[7]);

  auto in = buffer(device, kernel, kInput, input.size());
  auto out = buffer(device, kernel, kOutput, room);
  auto chain = buffer(device, kernel, kWeights, weights.size());
  in.write(input.data(), input.size(), 0);
  chain.write(weights.data(), weights.size(), 0);
  in.sync(XCL_BO_SYNC_BO_TO_DEVICE);
  chain.sync(XCL_BO_SYNC_BO_TO_DEVICE);

  run(kernel, in, out, chain, 0, 0, weights.size(), 0, GW_MODE_LOAD_MASK);
  run(kernel, in, out, chain, input.size(), room, 0, std::stoul(argv[5]), 0);

  std::vector<char> results(room);
  out.sync(XCL_BO_SYNC_BO_FROM_DEVICE);
  out.read(results.data(), room, 0);
  std::ofstream(argv[6], std::ios::binary).write(results.data(), results.size());
  std::cout << kernel.read_register(GW_FINISHED) << " results, " << kernel.read_register(GW_CYCLES) << " cycles\n";
  return 0;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << "\n";
  return 1;
}
