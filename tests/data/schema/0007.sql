BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0007');
CREATE TABLE cycles (
	account TEXT NOT NULL, 
	cycle_id TEXT NOT NULL, 
	policy TEXT NOT NULL, 
	state TEXT NOT NULL, 
	path TEXT NOT NULL, 
	start_asset TEXT NOT NULL, 
	"plan" TEXT NOT NULL, 
	started_ns BIGINT NOT NULL, 
	ended_ns BIGINT NOT NULL, 
	resumes TEXT, 
	profit TEXT NOT NULL, 
	profit_ref TEXT, 
	detail TEXT NOT NULL, 
	prices TEXT NOT NULL, kind TEXT, loss_budget TEXT, 
	PRIMARY KEY (account, cycle_id)
);
INSERT INTO "cycles" VALUES('kraken:live:0123456789ab','c0','sequential','done','USD>BTC>ETH>USD','USD','[["BTC/USD", "buy", "USD", "BTC", "0.00123400", "51234.5", "0.0040"], ["ETH/BTC", "buy", "BTC", "ETH", "0.02000000", "0.06150", "0.0040"], ["ETH/USD", "sell", "ETH", "USD", "0.02000000", "3180.11", "0.0040"]]',1700000000000000000,1700000003000000000,NULL,'0.00000001','0.00000001','all three legs filled','{}',NULL,NULL);
INSERT INTO "cycles" VALUES('kraken:live:0123456789ab','c1','parallel','held','USD>BTC>ETH>USD','USD','[["BTC/USD", "buy", "USD", "BTC", "0.00123400", "51234.5", "0.0040"], ["ETH/BTC", "buy", "BTC", "ETH", "0.02000000", "0.06150", "0.0040"], ["ETH/USD", "sell", "ETH", "USD", "0.02000000", "3180.11", "0.0040"]]',1700000000000000001,1700000009000000000,NULL,'-12.340','-12.340','l’unwind n’a pas trouvé preneur; ₿ left','{"complete": "1.50", "reverse": "-0.25"}',NULL,NULL);
INSERT INTO "cycles" VALUES('sandbox:sandbox:fedcba987654','c2','sequential','resolving','USD>BTC>ETH>USD','USD','[["BTC/USD", "buy", "USD", "BTC", "0.00123400", "51234.5", "0.0040"], ["ETH/BTC", "buy", "BTC", "ETH", "0.02000000", "0.06150", "0.0040"], ["ETH/USD", "sell", "ETH", "USD", "0.02000000", "3180.11", "0.0040"]]',1700000000000000002,0,'leg_2','0',NULL,'','{}',NULL,NULL);
INSERT INTO "cycles" VALUES('kraken:live:0123456789ab','c3','sequential','done','EUR>BTC>ETH','EUR','[["BTC/EUR", "buy", "EUR", "BTC", "0.00200000", "47000.1", "0.0040"], ["ETH/BTC", "buy", "BTC", "ETH", "0.03000000", "0.06150", "0.0040"]]',1700000011000000000,1700000012000000000,NULL,'-0.376','-0.41','two legs filled','{}','rebalance','0.940000000000000000001');
CREATE TABLE fee_pending (
	account TEXT NOT NULL, 
	trade_id TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	asset TEXT NOT NULL, 
	guess TEXT NOT NULL, 
	slack TEXT NOT NULL, 
	gross TEXT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	ref TEXT NOT NULL, 
	PRIMARY KEY (account, trade_id)
);
INSERT INTO "fee_pending" VALUES('sandbox:sandbox:fedcba987654','t4','BTC/USD','USD','0.03','0.01','10.02000000',1700000000600000004,'');
INSERT INTO "fee_pending" VALUES('sandbox:sandbox:fedcba987654','t5','BTC/USD','USD','0.0300','0.010','10.02',1700000000600000005,'20231114-fee’s');
CREATE TABLE fee_posted (
	account TEXT NOT NULL, 
	ref TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	asset TEXT NOT NULL, 
	fee TEXT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	PRIMARY KEY (account, ref)
);
INSERT INTO "fee_posted" VALUES('sandbox:sandbox:fedcba987654','20231114-fee’s','BTC/USD','USD','0.0299',1700006400000000000,'fits');
INSERT INTO "fee_posted" VALUES('sandbox:sandbox:fedcba987654','20231115','','USD','1.10',1700006400000000001,'told');
CREATE TABLE fills (
	account TEXT NOT NULL, 
	trade_id TEXT NOT NULL, 
	order_id TEXT NOT NULL, 
	client_id TEXT NOT NULL, 
	symbol TEXT NOT NULL, 
	side TEXT NOT NULL, 
	qty TEXT NOT NULL, 
	price TEXT NOT NULL, 
	cost TEXT NOT NULL, 
	fees TEXT NOT NULL, 
	at_ns BIGINT NOT NULL, fee_slack TEXT, 
	PRIMARY KEY (account, trade_id)
);
INSERT INTO "fills" VALUES('kraken:live:0123456789ab','t0','OAAAAA-1','o0','BTC/USD','buy','0.00100000','51234.5','51.2345000','[["USD", "0.204938"]]',1700000000600000000,NULL);
INSERT INTO "fills" VALUES('kraken:live:0123456789ab','t1','OAAAAA-1','o0','BTC/USD','buy','0.00023400','51234.50','11.9888730','[]',1700000000600000001,NULL);
INSERT INTO "fills" VALUES('kraken:live:0123456789ab','t2','OAAAAA-2','o1','BTC/USD','buy','0.000000000000000001','0.00000001','0.00000000000000000000000001','[["KFEE", "1.10"], ["BTC", "0.00000001"]]',1700000000600000002,NULL);
INSERT INTO "fills" VALUES('sandbox:sandbox:fedcba987654','t3','SB-1','o3','BTC/USD','buy','0.5','50000','25000.00','[["USD", "100.0000"]]',1700000000600000003,NULL);
INSERT INTO "fills" VALUES('sandbox:sandbox:fedcba987654','t4','SB-2','o3','BTC/USD','sell','0.000200000','50100.0','10.02000000','[["USD", "0.03"]]',1700000000600000004,'0.01');
CREATE TABLE flags (
	account TEXT NOT NULL, 
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	PRIMARY KEY (account, name)
);
INSERT INTO "flags" VALUES('kraken:live:0123456789ab','breaker','halted:drift',3);
INSERT INTO "flags" VALUES('sandbox:sandbox:fedcba987654','starts','',0);
CREATE TABLE incidents (
	n INTEGER NOT NULL, 
	account TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	cycle_id TEXT NOT NULL, 
	client_id TEXT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	PRIMARY KEY (n)
);
INSERT INTO "incidents" VALUES(1,'kraken:live:0123456789ab','late_fill','it''s "quoted"; -- and
broken over lines','c1','o1',1);
INSERT INTO "incidents" VALUES(2,'sandbox:sandbox:fedcba987654','drift','','','',4611686018427387904);
CREATE TABLE inventory_snapshots (
	n INTEGER NOT NULL, 
	account TEXT NOT NULL, 
	why TEXT NOT NULL, 
	asset TEXT NOT NULL, 
	wallet TEXT NOT NULL, 
	held TEXT NOT NULL, 
	exposure TEXT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	PRIMARY KEY (n)
);
INSERT INTO "inventory_snapshots" VALUES(1,'kraken:live:0123456789ab','cycle','USD','10000.000000000000000000000000000001','63.4759','123.40',1700000002000000000);
CREATE TABLE learned (
	account TEXT NOT NULL, 
	path TEXT NOT NULL, 
	survived TEXT NOT NULL, 
	gone TEXT NOT NULL, 
	filled TEXT NOT NULL, 
	failed TEXT NOT NULL, 
	lost TEXT NOT NULL, 
	PRIMARY KEY (account, path)
);
INSERT INTO "learned" VALUES('kraken:live:0123456789ab','USD>BTC>ETH>USD','12.500000000000000000001','3','4.0','1','-0.0000000001');
CREATE TABLE leases (
	account TEXT NOT NULL, 
	token BIGINT NOT NULL, 
	holder TEXT NOT NULL, 
	taken_ns BIGINT NOT NULL, 
	PRIMARY KEY (account)
);
INSERT INTO "leases" VALUES('kraken:live:0123456789ab',41,'process 1',4);
INSERT INTO "leases" VALUES('sandbox:sandbox:fedcba987654',2,'process 2',5);
CREATE TABLE ledger (
	n INTEGER NOT NULL, 
	account TEXT NOT NULL, 
	ref TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	book TEXT NOT NULL, 
	asset TEXT NOT NULL, 
	amount TEXT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	PRIMARY KEY (n)
);
INSERT INTO "ledger" VALUES(1,'kraken:live:0123456789ab','opening:USD','opening','wallet','USD','123456789012345678901234567890.000000000000000000000000000001',1700000000000000000);
INSERT INTO "ledger" VALUES(2,'kraken:live:0123456789ab','opening:USD','opening','capital','USD','-123456789012345678901234567890.000000000000000000000000000001',1700000000000000000);
INSERT INTO "ledger" VALUES(3,'kraken:live:0123456789ab','LDEP-1','flow','wallet','BTC','0.10',1700000000000000000);
INSERT INTO "ledger" VALUES(4,'kraken:live:0123456789ab','LDEP-1','flow','capital','BTC','-0.10',1700000000000000000);
INSERT INTO "ledger" VALUES(5,'kraken:live:0123456789ab','t0','trade','wallet','BTC','0.00100000',1700000000000000000);
INSERT INTO "ledger" VALUES(6,'kraken:live:0123456789ab','t0','trade','trading','BTC','-0.00100000',1700000000000000000);
INSERT INTO "ledger" VALUES(7,'kraken:live:0123456789ab','t0','fee','wallet','USD','-0.204938',1700000000000000000);
INSERT INTO "ledger" VALUES(8,'kraken:live:0123456789ab','t0','fee','fees','USD','0.204938',1700000000000000000);
INSERT INTO "ledger" VALUES(9,'sandbox:sandbox:fedcba987654','opening:USD','opening','wallet','USD','25000.000',1700000000000000000);
INSERT INTO "ledger" VALUES(10,'sandbox:sandbox:fedcba987654','opening:USD','opening','capital','USD','-25000.000',1700000000000000000);
CREATE TABLE opportunities (
	n INTEGER NOT NULL, 
	account TEXT NOT NULL, 
	path TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	best_bps FLOAT NOT NULL, 
	gross_ms FLOAT NOT NULL, 
	net_ms FLOAT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	PRIMARY KEY (n)
);
INSERT INTO "opportunities" VALUES(1,'kraken:live:0123456789ab','USD>BTC>ETH>USD','net',12.5,830.25,412.0,1700000001000000000);
CREATE TABLE orders (
	account TEXT NOT NULL, 
	client_id TEXT NOT NULL, 
	cycle_id TEXT NOT NULL, 
	purpose TEXT NOT NULL, 
	leg_index BIGINT NOT NULL, 
	attempt BIGINT NOT NULL, 
	symbol TEXT NOT NULL, 
	side TEXT NOT NULL, 
	spend TEXT NOT NULL, 
	receive TEXT NOT NULL, 
	qty TEXT NOT NULL, 
	limit_price TEXT NOT NULL, 
	fee_rate TEXT NOT NULL, 
	deadline_ns BIGINT NOT NULL, 
	transport TEXT NOT NULL, 
	state TEXT NOT NULL, 
	hold_asset TEXT NOT NULL, 
	hold_amount TEXT NOT NULL, 
	order_id TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	sent_ns BIGINT NOT NULL, 
	ended_ns BIGINT NOT NULL, 
	PRIMARY KEY (account, client_id)
);
INSERT INTO "orders" VALUES('kraken:live:0123456789ab','o0','c0','leg',1,1,'BTC/USD','buy','USD','BTC','0.00123400','51234.5','0.0040',1700000001000000000,'ws','filled','USD','63.4759','OAAAAA-1','',1700000000500000000,2);
INSERT INTO "orders" VALUES('kraken:live:0123456789ab','o1','c1','leg',1,1,'BTC/USD','buy','USD','BTC','123456789012345678901234567890.000000000000000000000000000001','0.00000001','0.0040',1700000001000000000,'ws','partial','USD','1','OAAAAA-2','cut short',1700000000500000000,3);
INSERT INTO "orders" VALUES('kraken:live:0123456789ab','o2','c1','unwind',0,1,'BTC/USD','buy','USD','BTC','1','2','0.0040',1700000001000000000,'ws','rejected','USD','3','','EOrder:Insufficient funds',1700000000500000000,4);
INSERT INTO "orders" VALUES('sandbox:sandbox:fedcba987654','o3','c2','leg',1,1,'BTC/USD','buy','USD','BTC','0.5','50000','0.0040',1700000001000000000,'ws','filled','USD','25100.00','SB-1','',1700000000500000000,5);
INSERT INTO "orders" VALUES('sandbox:sandbox:fedcba987654','o4','c2','leg',1,1,'BTC/USD','buy','USD','BTC','0.50','50000.0','0.0040',1700000001000000000,'ws','unknown','USD','25100','','',1700000000500000000,0);
CREATE TABLE runs (
	account TEXT NOT NULL, 
	token BIGINT NOT NULL, 
	version TEXT NOT NULL, 
	command TEXT NOT NULL, 
	started_ns BIGINT NOT NULL, 
	ended_ns BIGINT NOT NULL, 
	ended_how TEXT NOT NULL, 
	PRIMARY KEY (account, token)
);
INSERT INTO "runs" VALUES('kraken:live:0123456789ab',1,'0.4.0','live',1700000000000000000,1700000009000000000,'clean');
INSERT INTO "runs" VALUES('kraken:live:0123456789ab',2,'0.4.0','live',1700000010000000000,0,'');
CREATE TABLE transfers (
	account TEXT NOT NULL, 
	ref TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	PRIMARY KEY (account, ref)
);
INSERT INTO "transfers" VALUES('kraken:live:0123456789ab','LDEP-1','deposit');
CREATE TABLE triangles (
	n INTEGER NOT NULL, 
	account TEXT NOT NULL, 
	path TEXT NOT NULL, 
	symbols TEXT NOT NULL, 
	hurdle_bps FLOAT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	PRIMARY KEY (n)
);
INSERT INTO "triangles" VALUES(1,'kraken:live:0123456789ab','USD>BTC>ETH>USD','BTC/USD ETH/BTC ETH/USD',121.0,1700000000000000000);
CREATE TABLE venue_status (
	n INTEGER NOT NULL, 
	account TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	status TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	PRIMARY KEY (n)
);
INSERT INTO "venue_status" VALUES(1,'kraken:live:0123456789ab','BTC/USD','cancel_only','l’entretien',1700000003000000000);
CREATE TABLE walks (
	account TEXT NOT NULL, 
	cycle_id TEXT NOT NULL, 
	leg_index BIGINT NOT NULL, 
	seen TEXT NOT NULL, 
	levels TEXT NOT NULL, 
	PRIMARY KEY (account, cycle_id, leg_index, seen)
);
INSERT INTO "walks" VALUES('kraken:live:0123456789ab','c0',0,'decided','[["43000.1", "0.25"], ["43000.2", "1.000000000000000000001"]]');
CREATE TABLE wallet_snapshots (
	n INTEGER NOT NULL, 
	account TEXT NOT NULL, 
	asset TEXT NOT NULL, 
	total TEXT NOT NULL, 
	held TEXT NOT NULL, 
	at_ns BIGINT NOT NULL, kind TEXT, contract TEXT, block BIGINT, 
	PRIMARY KEY (n)
);
INSERT INTO "wallet_snapshots" VALUES(1,'kraken:live:0123456789ab','BTC','2.00000000','0.10',1700000002000000000,NULL,NULL,NULL);
INSERT INTO "wallet_snapshots" VALUES(2,'chain-1:0x52908400098527886E0F7030069857D2E4169EE7','café','123456789.000000000000000001','0',1700000002000000001,'erc20','0x8617E340B3D01FA5F11F306F4090FD50E238070D',19000000);
CREATE INDEX cycles_by_end ON cycles (account, ended_ns);
CREATE INDEX orders_by_cycle ON orders (account, cycle_id);
CREATE INDEX orders_by_state ON orders (account, state);
CREATE INDEX orders_by_venue_id ON orders (account, order_id);
CREATE INDEX fills_by_order ON fills (account, client_id);
CREATE INDEX ledger_by_account ON ledger (account);
CREATE INDEX ledger_by_ref ON ledger (account, ref);
CREATE INDEX fee_pending_by_ref ON fee_pending (account, ref);
COMMIT;
