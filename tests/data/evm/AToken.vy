# pragma version 0.4.3
# A deposit that earns, in the manner of an Aave aToken: what is kept of each holder is scaled, and
# a balance is that times an index (1e27 is one) which only grows.

RAY: constant(uint256) = 10 ** 27

decimals: public(uint8)
UNDERLYING_ASSET_ADDRESS: public(address)
scaledBalanceOf: public(HashMap[address, uint256])
index: public(uint256)


@deploy
def __init__(underlying: address, decimals_: uint8):
    self.UNDERLYING_ASSET_ADDRESS = underlying
    self.decimals = decimals_
    self.index = RAY


@external
@view
def balanceOf(owner: address) -> uint256:
    return self.scaledBalanceOf[owner] * self.index // RAY


@external
def mint(receiver: address, amount: uint256):
    self.scaledBalanceOf[receiver] += amount * RAY // self.index


@external
def grow(index: uint256):
    assert index >= self.index
    self.index = index
