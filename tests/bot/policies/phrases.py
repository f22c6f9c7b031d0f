"""Short texts as customers send them, by the language that they are to be answered in; none: they say nothing of it."""

VIETNAMESE = """
con hang ko
còn hàng ko shop
shop oi
shop ơi 😊
con size M ko
size M còn không
ib gia
cho em xin gia
gia bn v sh
bao nhieu vay shop
ship ve da nang bao nhieu
freeship ko ạ
co ship COD k
alo shop
m mua 2 cai dc giam k
e muon doi size
doi tra the nao
tra hang
hoan tien
bao h co hang lai
hnay co ship k
chua nhan dc hang
ao nay giat may dc ko
túi Tote màu be
váy linen form rộng
cái này sale ko
áo hoodie size L còn màu đen không 🖤
đặt hàng online thì check hàng trước được không
sp loi thi bao hanh may thang
cam on shop nhieu
dạ
vâng ạ
được
Ok em
em cảm ơn
ok shop nhé
toi muon gap nhan vien
stk cua shop la gi
1m60 50kg mac size nao
500k co freeship ko
đơn #12345 tới đâu rồi
hàng New Arrival có chưa
mình ở Quận 7
mã giảm giá SALE50 dùng sao
thời gian refund bao lâu
đổi sang cái khác
mấy giờ đóng cửa
shop có store ở Hà Nội ko
qua tang cho me
mua lam qua tang
noi that
khan tam
chan ga goi dem
"""

ENGLISH = """
bedding dimensions
return policy
refund?
how much is shipping
how much
when will it arrive
is it in stock
do you ship to Đà Nẵng
shipping to Hà Nội
Is the áo thun cổ tròn available?
Do you have áo dài in size M?
can I exchange the túi Tote for another colour
where is your store on Lê Lợi street
opening hours Nhà Mây
gift wrapping
size guide
tracking number
any discount for students?
what's the fabric of this dress
washing instructions
my parcel is late 😡
is this 100% cotton
cash on delivery?
store locations
it does not fit
wrong size
broken zipper
cancel my order please
order #12345 not received
thanks, and the warranty?
i paid twice!!
pls send me the price
too big
available?
cushion covers
do you sell pillows
can you help me
can I pay by card
"""

NEITHER = """
ok
👍
size M
COD
XL
hi
hello shop
12345
Adidas
#SP-0042
https://shop.example/ao-so-mi
...
inbox
Zalo?
iPhone 15
polo
"""
