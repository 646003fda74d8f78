/// Invented names are put together from these words; the two halves of the set draw from words of their own.
///
/// Even places are for the training half, odd ones for the test half.
enum Words {
    static let english = split(
        """
        silver river velvet thunder paper moon hollow garden burning letter winter harbour broken mirror quiet \
        engine golden feather distant signal crystal island wooden carnival electric meadow shadow parade \
        northern lantern crimson avenue midnight orchard bitter honey hidden staircase restless ocean fading \
        photograph marble highway drifting balloon iron blossom empty cathedral wandering satellite frozen \
        kingdom copper daylight secret workshop gentle avalanche stolen umbrella scarlet compass lonely \
        telephone painted horizon forgotten melody rolling canyon sleepy machine tender lightning wicked \
        summer ancient rooftop hungry tiger lucky diamond savage butterfly innocent stranger magnetic \
        sunrise falling castle perfect disaster emerald whisper endless elevator nervous animal blue \
        prophet yellow submarine purple tambourine heavy cradle little monument sudden postcard
        """)
    /// Words that a title may hold and that look like the name of a version.
    static let decoys = split(
        """
        Live_Forever Demo_Days Cover_Me Remix_My_Heart Long_Live Acoustic_Sun Edit_Me_Out Mono_No_Aware \
        Live_and_Let_Go Original_Sin Take_Cover Slowed_by_Snow Instrumental_Damage Remaster_of_None \
        Radio_Silence With_You_Tonight Feature_Film The_Last_Version Live_Wire Mixed_Emotions
        """)
    static let first = split(
        """
        Clara Tobias Nadia Oscar Ruth Felix Ingrid Marcus Helen Victor Agnes Simon Judith Conrad Wanda Ralph \
        Stella Hugo Miriam Edgar Paula Leon Norma Arthur Vera Basil Dora Walter Irene Cyril
        """)
    static let last = split(
        """
        Harlow Finch Mercer Quill Ashdown Barlow Winslow Tarrant Penrose Loxley Hathaway Gable Marlowe \
        Thackeray Delaney Crowther Whitlock Sterling Pemberton Garrick Holloway Fairfax Langley Stanhope \
        Underhill Wakefield Radcliffe Yardley Kingsley Eastman
        """)
    static let accented = split(
        """
        Corazón Sørensen Canción Müller Déjà Ångström François Jürgen Été Señor Noël Björk-Larsen Forêt \
        Łukasz Über Niño Rêve Çelik Élan Håkon São Dvořák Garçon Öland Mañana Köln Étoile Málaga Âme Štěpán
        """)
    static let cyrillic = split(
        """
        Ветер Ночь Берёза Звезда Дождь Зелёный Город Метель Огонь Ёлка Память Чёрный Белый Снег Море Тёплый \
        Дорога Весна Птица Сердце Тишина Река Полёт Луна Туман Осень Мечта Рассвет
        """)
    static let japanese = split(
        """
        アイドル 夜明け ガラス 東京 メロディー 恋文 スターライト 花束 パレード 雨音 デイドリーム 銀河 リボン 青春 ドロップ \
        約束 プリズム 海岸線 ギター 夏祭り カーテン 月光 ジャンプ 迷路 ブルー 星屑 ロケット 手紙
        """)
    static let korean = split(
        "봄날 바람 사랑 밤하늘 거울 안녕 소나기 기억 별빛 노래 시간 그림자 여름 편지 약속 바다 꿈길 하루 눈꽃 비밀")
    static let greek = split(
        "Θάλασσα Νύχτα Άνεμος Καρδιά Ήλιος Δρόμος Όνειρο Σύννεφο Αγάπη Μελωδία Φεγγάρι Χειμώνας")
    static let arabic = split("حبيبي ليل قمر نجوم القلب بحر سلام وردة شمس طريق حلم غيمة")
    static let chinese = split("月亮 春天 故事 大海 星空 朋友 时光 雨夜 花火 远方 秋风 海浪")
    static let artistForms = split("The_%ns %a_%n The_%a_%ns %n_Club %n %ns_of_%N DJ_%N Lil_%N")
    /// A name in its own script and as it is romanised.
    static let romanised = split(
        """
        さくら=Sakura 宇多野=Utano 北海道=Hokkaido ひかり=Hikari 山本=Yamamoto 銀座=Ginza みらい=Mirai 富士=Fuji \
        Ночь=Noch Звезда=Zvezda Дорога=Doroga Весна=Vesna 사랑=Sarang 바다=Bada 노래=Norae 하루=Haru
        """)
    static let punctuation = split("!!! ??? ... ÷ + = ※ *** ♥ --- @ # _ $$$ % ><")

    private static func split(_ text: String) -> [String] {
        text.split(separator: " ").map(String.init)
    }
}

/// What another recording of one song is, and how services spell it.
///
/// `%A` is another artist, `%L` the song's own, `%P` a place, `%C` a town, `%Y` a year.
public enum VersionKind: String, CaseIterable, Sendable {
    case live, remix, acoustic, demo, instrumental, karaoke, edit, spedUp, slowed, language,
        rerecorded

    /// The first half is used in both halves of the set, the rest in the test half only.
    var spellings: [String] {
        switch self {
        case .live:
            [
                "Live", "Live at %P", "Live in %C", "Live from %P", "Live in %C, %Y",
                "Live at %P / %Y",
                "Live Version", "Recorded Live at %P", "En Vivo", "ライブ", "Live Session", "Ao Vivo",
                "Live %Y",
            ]
        case .remix:
            [
                "%A Remix", "Remix", "%A Remix Edit", "%A & %A Remix", "%A Mix", "Remixed by %A",
                "%A Rework", "%A Bootleg", "%A VIP Mix", "Dub Mix",
            ]
        case .acoustic:
            ["Acoustic", "Acoustic Version", "Piano Version", "Stripped", "Unplugged", "Acústico"]
        case .demo:
            [
                "Demo", "Demo Version", "%Y Demo", "Early Demo", "Alternate Take", "Rough Mix",
                "Outtake",
                "Home Recording",
            ]
        case .instrumental:
            ["Instrumental", "Instrumental Version", "Off Vocal", "Inst.", "off vocal ver."]
        case .karaoke:
            [
                "Karaoke Version", "Karaoke", "Originally Performed by %L", "Karaoke Instrumental",
                "In the Style of %L", "Backing Track", "オリジナルカラオケ", "Made Famous by %L",
            ]
        case .edit:
            [
                "Radio Edit", "Edit", "Single Edit", "Extended Mix", "Extended Version",
                "Single Version",
                "Short Version", "Club Mix", "TV Size", "12\" Mix", "Short Edit",
            ]
        case .spedUp: ["Sped Up", "Sped Up Version", "Nightcore", "Speed Up"]
        case .slowed: ["Slowed", "Slowed + Reverb", "Slowed & Reverb", "Slowed Down"]
        case .language:
            [
                "Spanish Version", "English Version", "French Version", "Versión en Español",
                "Deutsche Version", "Japanese Ver.", "Italian Version",
            ]
        case .rerecorded:
            ["Re-Recorded", "%L's Version", "%Y Version", "New Recording", "Rerecorded in %Y"]
        }
    }
}

/// Words beside a title that name no other recording: half of them in both halves of the set.
enum Neutral {
    static let remaster = [
        "Remastered", "Remastered %Y", "%Y Remaster", "%Y Remastered Version",
        "Digitally Remastered",
        "%Y Digital Remaster", "Remaster", "Remastered Version", "%Y - Remaster",
        "Digital Remaster %Y",
    ]
    static let other = [
        "Album Version", "Bonus Track", "Explicit", "From \"%P\"", "Original Version",
        "Original Mix",
        "LP Version", "from the motion picture \"%P\"", "Official Video", "Deluxe Edition",
        "Main Version",
        "Stereo",
    ]
}
