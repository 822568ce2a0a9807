"""Messages as the exchange documents them, from which the fuzzer starts."""

TICK = (
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1723161255343,"s":"BTCUSDT",'
    b'"a":26129,"p":"61837.63000000","q":"0.02000000","f":100,"l":105,"T":1723161255342,'
    b'"m":true,"M":true}}'
)
KLINE = (
    b'{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1723161302001,"s":"BTCUSDT","k":{'
    b'"t":1723161240000,"T":1723161299999,"s":"BTCUSDT","i":"1m","f":100,"L":105,'
    b'"o":"61837.63000000","c":"61831.10000000","h":"61840.00000000","l":"61830.00000000",'
    b'"v":"0.12000000","n":6,"x":true,"q":"7420.51560000","V":"0.02000000",'
    b'"Q":"1236.75260000","B":"0"}}}'
)
REPLIES = (
    b'{"result":null,"id":1}',
    b'{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":1}',
    b'{"e":"serverShutdown","E":1770123456789}',
)
AGG_TRADES = (
    b'[{"a":26129,"p":"0.01633102","q":"4.70443515","f":27781,"l":27781,"T":1498793709153,'
    b'"m":true,"M":true},{"a":26130,"p":"0.0163","q":"1","f":27782,"l":27785,"T":1498793709154,'
    b'"m":false,"M":true}]'
)
KLINES = (
    b'[[1723161240000,"61837.63","61840.0","61830.0","61831.1","0.12",1723161299999,"7420.5",6,'
    b'"0.02","1236.7","0"],[1723161300000,"61831.1","61840.0","61830.0","61831.1","0.12",'
    b'1723161359999,"7420.5",6,"0.02","1236.7","0"]]'
)
EXCHANGE_INFO = (
    b'{"timezone":"UTC","serverTime":1565246363776,"rateLimits":[{"rateLimitType":'
    b'"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000},{"rateLimitType":"ORDERS"'
    b',"interval":"SECOND","intervalNum":10,"limit":50}],"symbols":[{"symbol":"BTCUSDT","status":'
    b'"TRADING","baseAsset":"BTC","quoteAsset":"USDT","filters":[{"filterType":"PRICE_FILTER",'
    b'"minPrice":"0.01","maxPrice":"1000000.00","tickSize":"0.01"},{"filterType":"LOT_SIZE",'
    b'"minQty":"0.00001","maxQty":"9000.0","stepSize":"0.00001"},{"filterType":"NOTIONAL",'
    b'"minNotional":"5.0","applyMinToMarket":true,"maxNotional":"9000000.0","applyMaxToMarket":'
    b'false,"avgPriceMins":5},{"filterType":"MAX_NUM_ALGO_ORDERS","maxNumAlgoOrders":5}]}]}'
)
SERVER_TIME = b'{"serverTime":1499827319559}'
ORDER = (
    b'{"symbol":"BTCUSDT","orderId":28,"clientOrderId":"t-1","transactTime":1790000000123,'
    b'"time":1790000000123,"origQty":"0.003","executedQty":"0.00300000",'
    b'"cummulativeQuoteQty":"180.03000000","status":"FILLED","side":"BUY","fills":['
    b'{"price":"60000.0","qty":"0.001","commission":"0","commissionAsset":"BTC","tradeId":56},'
    b'{"price":"60015.0","qty":"0.002","commission":"0","commissionAsset":"BTC","tradeId":57}]}'
)
TRADES = (
    b'[{"symbol":"BTCUSDT","id":56,"orderId":28,"isBuyer":true,"price":"60000","qty":"0.003",'
    b'"commission":"0.1","commissionAsset":"BNB","time":1790000000123}]'
)
ACCOUNT = b'{"balances":[{"asset":"BTC","free":"4723846.89","locked":"0.0"}]}'
EXECUTION = (
    b'{"subscriptionId":0,"event":{"e":"executionReport","E":1499405658658,"s":"BTCUSDT","c":"t-1",'
    b'"S":"BUY","o":"MARKET","f":"GTC","q":"1.0","p":"0.0","C":"","x":"TRADE","X":"FILLED",'
    b'"r":"NONE","i":4293153,"l":"1.0","z":"1.0","L":"60000.0","n":"0.001","N":"BTC",'
    b'"T":1499405658657,"t":77,"I":8641984,"w":false,"m":false,"O":1499405658657,"Z":"60000.0"}}'
)
MESSAGES = (
    EXECUTION,
    b'{"id":1,"status":200,"result":{"subscriptionId":0}}',
    b'{"id":1,"status":400,"error":{"code":-1022,"msg":"Signature is not valid."}}',
    b'{"event":{"e":"serverShutdown","E":1770123456789}}',
)
FAILURES = (
    b'429\n7\n{"code":-1003,"msg":"Too much request weight used"}',
    b"418\nWed, 21 Oct 2026 07:30:00 GMT\n",
    b'418\n\n{"code":-1003,"msg":"Way too much; IP banned until 1792568100000."}',
    b'451\n\n{"code":0,"msg":"Service unavailable from a restricted location"}',
    b'400\n\n{"code":-2010,"msg":"Account has insufficient balance"}',
)
ARCHIVE = (
    b"1723161240000,61837.63,61840.00,61830.00,61831.10,0.12,1723161299999,7420.5,6,0.02,1236.7,0\n"
    b"1723161300000,61831.10,61840.00,61830.00,61831.10,0.12,1723161359999,7420.5,6,0.02,1236.7,0\n"
)
QUERIES = (
    b"GET /trades limit=5&side=BUY&start=2026-01-02T03:04:05Z&symbol=BTCUSDT\n",
    b"GET /candles/BTCUSDT interval=1m&start=1723161240000&end=1723161300000&limit=10\n",
    b"GET /orders cursor=older-1723161240000000-5&status=FILLED\n",
    b"GET /signals strategy=A&reason=crossover\n",
    b"GET /positions status=closed&limit=3\n",
    b'POST /strategy \n{"name":"C","sma_period":10,"ema_period":5,"stop_loss":"0.15",'
    b'"symbols":["BTCUSDT"],"interval":"","enabled":true}',
    b'POST /halt \n{"level":"no_entries","reason":"a test"}',
)
