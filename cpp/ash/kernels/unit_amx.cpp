#include "ash/kernels/tiles.hpp"

namespace ash {

extern void (*const kTileProduct)(const Product&, float*) noexcept;
void (*const kTileProduct)(const Product&, float*) noexcept = ::product_tiles;

}  // namespace ash
