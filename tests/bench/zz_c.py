import asyncio, json, sys, time, mmap
from arbit.app.loop import run_on_best_loop
from tests.bench.flood_pro import exchange_at
from tests.bench.processes import cpu_s, tell
from arbit.books import BookCache
from arbit.clock import SystemClock
from arbit.venues.kraken.feed import KrakenFeed, KrakenFeedSetup, Surroundings
a=json.loads(sys.argv[1]); v=a["venue"]
f=open(a["path"],"r+b"); m=memoryview(mmap.mmap(f.fileno(),0)).cast("q")
slot={s:i for i,s in enumerate(sorted(v["last_ms"]))}
async def watch(ex,symbol,seen):
    last=v["last_ms"][symbol]; i=slot[symbol]
    b=await ex.watch_order_book(symbol,v["depth"]); seen.set()
    while (b["timestamp"] or 0)<last:
        b=await ex.watch_order_book(symbol,v["depth"]); m[i]+=1
async def pro():
    ex=exchange_at(v); await ex.load_markets(); loop=asyncio.get_running_loop()
    subs={s:asyncio.Event() for s in v["last_ms"]}
    w={s:loop.create_task(watch(ex,s,e)) for s,e in subs.items()}
    for e in subs.values(): await e.wait()
    tell({"ready":True}); b0=cpu_s()
    for t in w.values(): await t
    e=time.monotonic_ns(); u=cpu_s()-b0
    await ex.close(); tell({"ended_ns":e,"cpu_s":u})
class Sink:
    def __init__(s,c): s.c=c; s.disbelieve=c.disbelieve; s.confirm=c.confirm; s.set_status=c.set_status
    def put(s,book,*,seen_ns,confirmed_ns,source):
        s.c.put(book,seen_ns=seen_ns,confirmed_ns=confirmed_ns,source=source); m[slot[book.symbol]]+=1
async def ours():
    clock,cache=SystemClock(),BookCache(); cache.watch(v["symbols"],1)
    feed=KrakenFeed(KrakenFeedSetup("bench",v["ws"],depth=v["depth"]),Sink(cache),clock,lambda _:None,Surroundings())
    wanted,ev=len(v["symbols"]),asyncio.Event()
    def dr():
        if feed.counts.verified>=wanted: ev.set()
    feed.on_drained=dr
    t=asyncio.get_running_loop().create_task(feed.run(v["symbols"]))
    await ev.wait(); ev.clear(); wanted+=a["expected"]; tell({"ready":True}); b0=cpu_s()
    await ev.wait(); e=time.monotonic_ns(); u=cpu_s()-b0; t.cancel()
    tell({"ended_ns":e,"cpu_s":u,"failed":feed.counts.failed})
run_on_best_loop(ours() if a["who"]=="ours" else pro())
