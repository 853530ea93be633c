"""The venue's many names of pairs and assets, to and fro."""

from arbit.sandbox.market import Market, Pair


class Names:
    """Finds a listed pair or asset by any of its names, in any case."""

    def __init__(self, market: Market) -> None:
        self._pairs: dict[str, Pair] = {}
        for pair in market.pairs.values():
            listed = pair.instrument
            for name in (listed.symbol, listed.wsname, listed.altname, listed.rest_id):
                self._pairs[name.upper()] = pair
        self._by_code = {asset.code: asset for asset in market.assets}
        self._codes = {
            name: asset.code
            for asset in market.assets
            for name in (asset.rest_id, asset.altname, asset.code)
        }

    def pair(self, name: str) -> Pair | None:
        """The pair of this name, if listed."""
        return self._pairs.get(name.strip().upper())

    def asset(self, name: str) -> str | None:
        """The v2 code of an asset, if listed."""
        return self._codes.get(name.strip().upper())

    def rest_asset(self, code: str) -> str:
        """An asset's REST id; the code itself when this profile does not list it."""
        known = self._by_code.get(code)
        return code if known is None else known.rest_id

    def rest_pair(self, symbol: str) -> str:
        """A pair's REST id; its symbol without the slash when this profile does not list it."""
        pair = self._pairs.get(symbol)
        return symbol.replace("/", "") if pair is None else pair.instrument.rest_id

    def altname(self, symbol: str) -> str:
        """A pair's altname, which order descriptions carry."""
        pair = self._pairs.get(symbol)
        return symbol.replace("/", "") if pair is None else pair.instrument.altname

    def decimals(self, code: str) -> int:
        """How many decimals an asset has; 10, the most there are, when it is not listed."""
        known = self._by_code.get(code)
        return 10 if known is None else known.decimals
